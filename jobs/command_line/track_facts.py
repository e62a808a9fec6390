"""What a record says of a track, in lines for people: shared by compose and inspect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from jobs.command_line.screen import Screen, heading
from lstm_core.analysis.roles import ROLES
from lstm_core.catalogue.form import TrackForm, TrackSection
from lstm_core.catalogue.records import MelodyRecording, TrackRecord
from lstm_core.orders.sources.asked import between_ids
from lstm_core.originality.runs import RUN_NOTES

Fact = tuple[str, str]  # its name and its text


def print_facts(record: TrackRecord, facts: Iterable[Fact]) -> None:
    """Prints the name of a track and facts of it."""
    console = Screen()
    table = Table(show_header=False, box=None)
    for fact in facts:
        table.add_row(*fact)
    console.print(heading("Track", f"{record.name} ({record.track_id})"))
    console.print(table)


def summary_of(record: TrackRecord, folder: str) -> Iterator[Fact]:
    """What a person wants to know of a track that was just made, and where it is."""
    length = (
        f"{record.duration_s:.3f} s, {record.num_bars} bars of {meters_of(record)}{', loop' if record.loop else ''}"
    )
    yield "music", f"{keys_of(record) or 'no key'}, {record.bpm:.2f} bpm, {length}"
    if between := between_of(record):
        yield "between", between
    if record.form is not None:
        yield "form", f"{record.form.text}, energy {record.form.mean_energy:g} of 1"
        for section in shown_sections(record.form):
            yield f"chords {section.name}", chords_of(record.form, section)
    yield "instruments", instruments_of(record)
    if record.recording is not None:
        yield "melody", recording_of(record.recording)
    yield "sound", f"{record.loudness_lufs:.2f} LUFS, true peak {record.true_peak_dbtp:.2f} dBTP"
    yield "gates", gates_of(record)
    yield "originality", originality_of(record)
    yield "seed", str(record.seed)
    yield "files", f"{folder}: {' '.join(file.name for file in record.files)} track.json"


def keys_of(record: TrackRecord) -> str:
    """The key of a track, or each with the bar, from 1 on, that it begins with: "C major, G major from bar 9 on"."""
    changes = (record.keys or ())[1:]
    return ", ".join([record.key, *(f"{change.key} from bar {change.bar + 1} on" for change in changes)])


def meters_of(record: TrackRecord) -> str:
    """The meter of a track, or each with the bar that it begins with, as those of keys_of: "4/4, 3/4 from bar 9 on"."""
    changes = (record.meters or ())[1:]
    return ", ".join([record.meter, *(f"{change.meter} from bar {change.bar + 1} on" for change in changes)])


def between_of(record: TrackRecord) -> str:
    """Which step a track is between which two others; "" where it is none."""
    if not record.order.get("between"):
        return ""
    first, last = between_ids(record.order["between"])
    return f"step {record.order.get('step')} of {record.order.get('steps')} from {first} to {last}"


def shown_sections(form: TrackForm) -> Iterator[TrackSection]:
    """The sections of a form but for those that have the name and the chords of one before."""
    shown: dict[str, list[str]] = {}
    for section in form.sections:
        chords = chords_of(form, section)
        known = shown.setdefault(section.name, [])
        if chords not in known:
            known.append(chords)
            yield section


def chords_of(form: TrackForm, section: TrackSection) -> str:
    """The chords of a section as orders write them, such as "Am | F C/E | G"."""
    bars = form.bar_chords()[section.start_bar : section.start_bar + section.num_bars]
    return " | ".join(" ".join(bar) for bar in bars)


def instruments_of(record: TrackRecord) -> str:
    """Who plays, by role where the track has a plan."""
    if record.form is None:
        return ", ".join(record.instruments)
    by_role = sorted(record.form.roles.items(), key=lambda entry: (*ROLES, entry[0]).index(entry[0]))
    return "; ".join(f"{role} {', '.join(names)}" for role, names in by_role)


def recording_of(recording: MelodyRecording) -> str:
    """What a melody was found in, and how sure that is."""
    return f"found in {recording.file}: {recording.num_notes} notes, confidence {recording.confidence:.2f} of 1"


def gates_of(record: TrackRecord) -> str:
    """How many gates a track passed, those that it did not, and with which attempt."""
    failed = [gate.name for gate in record.gates if not gate.is_passed]
    passed = f"{len(record.gates) - len(failed)} of {len(record.gates)} passed"
    return f"{passed}{', not ' + ', '.join(failed) if failed else ''}, attempt {record.attempt + 1}"


def originality_of(record: TrackRecord) -> str:
    """What a track shares with the training pieces."""
    if record.longest_shared_run is None:
        return "not known: the checkpoint carries no index of its training pieces"
    shared = str(record.longest_shared_run) if record.longest_shared_run else f"fewer than {RUN_NOTES}"
    text = f"shares {shared} notes in a row with a training piece"
    if record.nearest_piece and record.nearest_similarity is not None:
        text += f"; nearest piece {record.nearest_piece} ({record.nearest_similarity:.2f} of 1)"
    return text
