"""Fields of an order whose value may differ from section to section: chords, ensemble, roles, what changes.

An order row holds each as one text: "Am F C G" for the whole track, "A: Am F C G; B: F G" by sections, and
"Am F; B: F G" for all sections but B. In TOML a table gives the sections (`chords.A = "Am F C G"`), in CSV and Parquet
columns do ("chords.A"). What holds for a letter holds for its variations that have no value of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lstm_core.analysis.roles import ROLES
from lstm_core.foundation.plain import nearest
from lstm_core.notes.chord_symbols import ChordBar, parse_chord_sequence
from lstm_core.notes.instruments import parse_instrument
from lstm_core.orders.energy_curve import energy_text
from lstm_core.orders.form_text import SectionSpec, parse_section
from lstm_core.orders.sources.asked import bars_text
from lstm_core.orders.timing.bridge import bridge_text
from lstm_core.orders.timing.hits import hits_text
from lstm_core.orders.timing.slowing import rit_share

T = TypeVar("T")
Players = tuple[tuple[tuple[int, ...], int], ...]  # programs and number of players of each instrument
CHANGES = ("tempo_changes", "key_changes", "meter_changes")  # whose values hold up to the next section that has one
BY_SECTION = ("chords", "ensemble", "roles", *CHANGES)
MAX_PLAYERS = 32  # of one ensemble
_EVERYWHERE = ""  # the key of what holds for all sections that have no value of their own
_WHOLE_TRACK = "all"  # its name in a table
_EXCLUDED = re.compile(r"(?:no |- ?)(.+)")  # a role that does not sound
_ROLE_NAMES = {
    **{name: number for number, name in enumerate(ROLES)},
    "lead": 0,
    "counter": 1,
    "countermelody": 1,
    "pad": 2,
    "accompaniment": 2,
    "arpeggio": 3,
    "ostinato": 3,
    "drum": 5,
    "percussion": 5,
}


def fold_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of an order row with the texts in place of tables, columns and lists; other values as they are.

    Raises:
        ValueError: a section is given twice, or a value is not of the right kind.
    """
    folded: dict[str, Any] = {}
    found: dict[str, dict[str, str]] = {}
    for key, value in values.items():
        field, dot, section = key.partition(".")
        if field in BY_SECTION:
            given = {section: value} if dot else value if isinstance(value, Mapping) else {_WHOLE_TRACK: value}
            for name, part in given.items():
                _add(found.setdefault(field, {}), field, name.strip(), part)
        elif key == "energy":
            if isinstance(value, list | tuple) and not value:
                raise ValueError("energy is an empty list. Write at least one number, or leave it out.")
            folded[key] = energy_text(value if isinstance(value, str | int | float | Sequence) else str(value))
        elif key == "form" and isinstance(value, str):
            folded[key] = " ".join(value.split())
        elif key == "hits":
            if isinstance(value, list | tuple) and not value:
                raise ValueError("hits is an empty list. Write at least one second, or leave it out.")
            folded[key] = hits_text(value)
        elif key == "hits_fps":
            folded[key] = _number_text(value)
        elif key in ("bridge", "between"):
            folded[key] = bridge_text(value)
        elif key == "rit":
            folded[key] = rit_share(value)
        elif key == "bars":
            folded[key] = bars_text(value)
        else:
            folded[key] = value
    for field, texts in found.items():
        folded[field] = "; ".join(f"{name}: {texts[name]}" if name else texts[name] for name in sorted(texts))
    return folded


def split_sections(text: str) -> dict[str, str]:
    """The texts of a field by the name of their section, "" for the whole track.

    Raises:
        ValueError: a section is no section, is empty or comes twice.
    """
    if ":" not in text:
        return {_EVERYWHERE: text.strip()} if text.strip() else {}
    texts: dict[str, str] = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":") if ":" in part else ("", "", part)
        key = _section_key(name) if colon else _EVERYWHERE
        if not value.strip():
            raise ValueError(f'"{part.strip()}" in "{text}" is empty. Write, for example, "A: ...; B: ...".')
        if key in texts:
            where = f"for section {key}" if key else "without a section"
            raise ValueError(f'"{text}" holds two values {where}. Write each section once, as in "A: ...; B: ...".')
        texts[key] = value.strip()
    return texts


def for_section(values: Mapping[str, T], section: SectionSpec) -> T | None:
    """The value of a section: its own, that of its letter, or that of the whole track; None if there is none."""
    for key in (section.name, section.letter, _EVERYWHERE):
        if key in values:
            return values[key]
    return None


def held_on(values: Mapping[str, T], sections: Sequence[SectionSpec]) -> list[T | None]:
    """The value of each section: its own or that of the section before it; None until the first that has one."""
    now: T | None = None
    found = []
    for section in sections:
        own = for_section(values, section)
        now = now if own is None else own
        found.append(now)
    return found


def section_chords(text: str) -> dict[str, list[ChordBar]]:
    """Chords of each bar by the name of a section, "" for the whole track; they are repeated to its end.

    Raises:
        ValueError: the text is malformed, or a symbol unknown.
    """
    return read_sections(text, parse_chord_sequence, "chords")


def section_ensembles(text: str) -> dict[str, Players]:
    """Instruments and their players by the name of a section, "" for the whole track.

    Raises:
        ValueError: the text is malformed, an instrument unknown, or there are too many players.
    """
    return read_sections(text, _parse_ensemble, "ensemble")


def section_roles(text: str) -> dict[str, frozenset[int]]:
    """Roles that sound, as indices into ROLES, by the name of a section, "" for the whole track.

    Raises:
        ValueError: the text is malformed, or a role unknown.
    """
    return read_sections(text, parse_roles, "roles")


def section_tempos(text: str) -> dict[str, float]:
    """Quarters per minute from a section on by its name, "" for one without a section.

    Raises:
        ValueError: the text is malformed, or a tempo is no number.
    """
    return read_sections(text.replace(",", ";"), _parse_tempo, "tempo_changes")


def read_sections(text: str, parse: Callable[[str], T], field: str) -> dict[str, T]:
    """What `parse` makes of the texts of a field, by the name of their section, "" for the whole track.

    Raises:
        ValueError: the text is malformed, or `parse` refuses a part of it.
    """
    values = {}
    for key, part in split_sections(text).items():
        try:
            values[key] = parse(part)
        except ValueError as error:
            raise ValueError(f"{field}{'.' if key else ''}{key}: {error}") from error
    return values


def parse_roles(value: str | Sequence[str]) -> frozenset[int]:
    """The roles that sound, as indices into ROLES: those that are named, or all but those with "no" or "-" before.

    Names stand in a list or, in a text, between commas: "melody, bass", "no melody", "-melody, -drums", "all".

    Raises:
        ValueError: a role is unknown, some are named and others excluded, or none is left.
    """
    names = _role_names(value)
    if not names:
        raise ValueError(f"No roles are named. Write some of {', '.join(ROLES)}.")
    if names == [_WHOLE_TRACK]:
        return frozenset(range(len(ROLES)))
    without = [found[1] for name in names if (found := _EXCLUDED.fullmatch(name))]
    if without and len(without) < len(names):
        raise ValueError(
            f'roles are "{", ".join(names)}": some are named and others excluded. Write those that sound, '
            'such as "harmony, bass", or those that do not, such as "no melody".'
        )
    named = frozenset(map(_role, without or names))
    left = frozenset(range(len(ROLES))) - named if without else named
    if not left:
        raise ValueError(f'roles are "{", ".join(names)}": none is left that sounds. Leave some of them out.')
    return left


def roles_by_name(text: str) -> dict[str, frozenset[int]]:
    """Those of `section_roles` that are named one by one; none of a section whose roles are "all" or exclude some."""

    def named(part: str) -> frozenset[int]:
        names = _role_names(part)
        is_list = names != [_WHOLE_TRACK] and not any(map(_EXCLUDED.fullmatch, names))
        return parse_roles(part) if is_list else frozenset()

    return read_sections(text, named, "roles")


def _role_names(value: str | Sequence[str]) -> list[str]:
    parts = re.split(r"[;,|]", value) if isinstance(value, str) else value
    return [" ".join(str(part).lower().split()) for part in parts if str(part).strip()]


def check_sections(field: str, names: Sequence[str], form: Sequence[SectionSpec]) -> None:
    """Raises ValueError for a section that has a value of its own and that the form does not have."""
    known = dict.fromkeys(name for section in form for name in (section.letter, section.name))
    for name in names:
        if name and not form:
            raise ValueError(
                f'{field}.{name} is given, but no form. Write one with that section, such as form = "A B A".'
            )
        if name and name not in known:
            raise ValueError(f"{field}.{name} is given, but the form has no section {name}. It has {', '.join(known)}.")


def check_chords(
    chords: Mapping[str, Sequence[ChordBar]], sections: Sequence[SectionSpec], bars: Sequence[int]
) -> None:
    """Raises ValueError for chords of a section that are longer than it: some would never be heard."""
    for section, num_bars in zip(sections, bars, strict=True):
        for key in (section.name, section.letter):
            if len(chords.get(key, ())) > num_bars:
                raise ValueError(
                    f"chords.{key} holds {len(chords[key])} bars, section {section.name} has {num_bars}. "
                    f"Write at most {num_bars}; they are repeated where there are fewer."
                )


def _add(texts: dict[str, str], field: str, name: str, value: Any) -> None:
    """Puts the value of a table, column or list into the texts of a field."""
    where = field if name == _WHOLE_TRACK else f"{field}.{name}"
    if value is None or value != value:  # a gap in a column of Parquet
        return
    if field in CHANGES:
        value = re.sub("[,|]", ";", _change_text(field, value)) if isinstance(value, str | int | float) else repr(value)
    is_list = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if not isinstance(value, str) and (field == "chords" or not is_list):
        wanted = "a text" if field == "chords" else "a list of names"
        raise ValueError(f"{where} is {value!r}, it must be {wanted}.")
    text = " ".join(value.split()) if isinstance(value, str) else ", ".join(value)
    if name == _WHOLE_TRACK and ":" in text:
        given = split_sections(text)
    elif ":" in text:
        raise ValueError(f'{where} is "{text}": it is the value of one section and names none itself.')
    else:
        try:
            given = {_EVERYWHERE if name == _WHOLE_TRACK else _section_key(name): text}
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    for key, part in given.items():
        if key in texts:
            raise ValueError(f"{field} is given twice {f'for section {key}' if key else 'for the whole track'}.")
        if field in CHANGES:
            part = _change_text(field, part)
        elif field != "chords":
            part = ", ".join(stripped for item in re.split(r"[;,|]", part) if (stripped := item.strip()))
        elif ";" in part:
            raise ValueError(f'{where} is "{part}": between bars stands |, not a semicolon.')
        if part or key:
            texts[key] = part


def _section_key(name: str) -> str:
    section = parse_section(re.sub(r"[’′`]", "'", name.strip()))
    if section.num_bars is not None:
        raise ValueError(f'"{name}" gives bars. They stand in the form alone: write {section.name}.')
    return section.name


def _parse_tempo(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f'"{text}" is no tempo. Write quarters per minute, such as "B: 140; C: 100".') from error


def _change_text(field: str, value: Any) -> str:
    """A value of one of CHANGES as an order row holds it: numbers in one spelling, semitones with their sign."""
    text = _number_text(value)
    is_step = field == "key_changes" and re.fullmatch(r"[+-]?\d+", text) is not None
    return f"{int(text):+d}" if is_step else text


def _number_text(value: Any) -> str:
    """A number as an order row holds it in a text, in one spelling; what is no number as it is."""
    try:
        return str(value) if isinstance(value, bool) else f"{float(value)!r}".removesuffix(".0")
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _parse_ensemble(text: str) -> Players:
    names = [name.strip() for name in re.split(r"[;,|]", text) if name.strip()]
    players = tuple(parse_instrument(name) for name in names)
    if not 1 <= (count := sum(number for _, number in players)) <= MAX_PLAYERS:
        raise ValueError(f"there are {count} players, it must be 1 to {MAX_PLAYERS}.")
    return players


def _role(name: str) -> int:
    number = _ROLE_NAMES.get(name, _ROLE_NAMES.get(name.replace(" ", "-"), _ROLE_NAMES.get(name.removesuffix("s"))))
    if number is None:
        known = f'Roles are {", ".join(ROLES)}; "no melody" leaves one out.'
        raise ValueError(f'"{name}" is no role. {nearest(name, _ROLE_NAMES, otherwise=known)}')
    return number
