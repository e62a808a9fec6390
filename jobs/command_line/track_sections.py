"""The sections of a track as a table: bars, chords, energy, who plays, and what each bar repeats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.table import Column, Table

from jobs.command_line.track_facts import chords_of
from lstm_core.analysis.references import EXACT, NEW, TRANSPOSED, VARIED
from lstm_core.analysis.roles import ROLES
from lstm_core.catalogue.form import TrackForm, TrackSection
from lstm_core.representations.plan.layout import Plan

_WORDS = {NEW: "new", EXACT: "as", TRANSPOSED: "as", VARIED: "varied from"}


def sections_table(form: TrackForm, plan: Plan | None) -> Table:
    """A row for each section of a track; without a plan who plays there and what bars repeat is left out."""
    of_plan = () if plan is None else (Column("plays", min_width=len("counter-melody,")), "its bars")
    table = Table("section", "bars", "chords", "energy", *of_plan)
    for section in form.sections:
        stop = section.start_bar + section.num_bars
        energy = form.energy[section.start_bar : stop]
        cells = [section.name, span_text(section.start_bar, stop), chords_of(form, section)]
        cells.append(f"{min(energy):g} to {max(energy):g}" if min(energy) < max(energy) else f"{energy[0]:g}")
        if plan is not None:
            cells += [_players_text(plan, section), bars_text(plan, section.start_bar, stop)]
        table.add_row(*cells)
    return table


def bars_text(plan: Plan, start: int, stop: int) -> str:
    """What the bars from `start` to before `stop` are, such as "1-4 new, 5-7 as 1-3, 8 varied from 4"."""
    return ", ".join(_runs(plan, start, stop))


def span_text(start: int, stop: int) -> str:
    """The numbers of bars as people count them: "1-4", or "8"."""
    return str(stop) if stop == start + 1 else f"{start + 1}-{stop}"


def _runs(plan: Plan, start: int, stop: int) -> Iterator[str]:
    first = start
    for bar in range(start, stop):
        if bar + 1 < stop and _follows(plan, bar):
            continue
        relation, shift, source = (int(of_bar[first]) for of_bar in (plan.relation, plan.shift, plan.source))
        text = f"{span_text(first, bar + 1)} {_WORDS[relation]}"
        if relation != NEW:
            moved = f" {shift:+d} semitones" if relation == TRANSPOSED else ""
            text += f" {span_text(source, source + bar + 1 - first)}{moved}"
        yield text
        first = bar + 1


def _follows(plan: Plan, bar: int) -> bool:
    """Whether the next bar is to its source as this one is to the bar before that."""
    same = plan.relation[bar] == plan.relation[bar + 1] and plan.shift[bar] == plan.shift[bar + 1]
    return bool(same and (plan.relation[bar] == NEW or plan.source[bar] + 1 == plan.source[bar + 1]))


def _players_text(plan: Plan, section: TrackSection) -> str:
    """The roles that play in a section, with the number of parts where it is not one."""
    own = slice(section.start_bar, section.start_bar + section.num_bars)
    plays = np.bitwise_or.reduce(plan.active[own]) >> np.arange(plan.num_parts) & 1
    counts = np.bincount(plan.roles[plays == 1], minlength=len(ROLES)).tolist()
    shown = zip(ROLES, counts, strict=True)
    return ", ".join(f"{role}{f' {count}' if count > 1 else ''}" for role, count in shown if count)
