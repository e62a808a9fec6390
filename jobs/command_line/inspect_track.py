"""`tonemill inspect` of a track's folder and of a whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from jobs.command_line.screen import Screen, heading
from jobs.command_line.track_facts import between_of, instruments_of, keys_of, meters_of, originality_of, recording_of
from jobs.command_line.track_sections import sections_table
from lstm_core import storage
from lstm_core.catalogue.folder import RECORD_NAME, list_tracks
from lstm_core.catalogue.records import TrackFailure, TrackRecord
from lstm_core.foundation.errors import TonemillError

if TYPE_CHECKING:
    from lstm_core.tracks.replay import Replay

MAX_ROWS = 40


def inspect_track(uri: str, picture: str | None = None, checkpoint: str = "base") -> None:
    """Prints all that is known of one track, and draws it into a PNG file.

    Which bars repeat which stands in no record: the take is made once more with `checkpoint` where that made the track.
    """
    record = TrackRecord.from_json(storage.read_bytes(storage.join(uri, RECORD_NAME)))
    found, why_not = _replayed(uri, record, checkpoint)
    console = Screen()
    console.print(_facts(record))
    if record.form is not None:
        console.print(sections_table(record.form, None if found is None else found.take.plan))
    gates = Table("gate", "passed", "value", "bound")
    for gate in record.gates:
        value = "" if gate.value is None else f"{gate.value:g}"
        gates.add_row(gate.name, "yes" if gate.is_passed else Text("no", "red"), value, gate.bound)
    console.print(gates)
    if why_not:
        console.print(f"What each bar repeats, and which note is of which part, is not known: {why_not}.")
    if picture is not None:
        Path(picture).write_bytes(picture_of(uri, record, found))
        console.print(f"drawn into {picture}")


def _facts(record: TrackRecord) -> Table:
    facts = Table(show_header=False, box=None)
    facts.add_row("track", f"{record.name} ({record.track_id})")
    length = f"{record.duration_s:.3f} s, {record.num_samples:,} samples at {record.sample_rate} Hz"
    loop = f", loop from sample {record.loop_start_sample:,} on" if record.loop_start_sample else ", loop"
    facts.add_row("length", f"{length}, {record.num_bars} bars of {meters_of(record)}{loop if record.loop else ''}")
    facts.add_row("music", f"{keys_of(record)}, {record.bpm:.2f} bpm, style {record.style or 'open'}")
    if between := between_of(record):
        facts.add_row("between", between)
    facts.add_row("instruments", instruments_of(record))
    if record.form is not None:
        facts.add_row("form", f"{record.form.text}, energy {record.form.mean_energy:g} of 1")
        facts.add_row("chords", record.form.chords_text(record.num_bars))
    if record.recording is not None:
        facts.add_row("melody", recording_of(record.recording))
    facts.add_row("level", f"{record.loudness_lufs:.2f} LUFS, true peak {record.true_peak_dbtp:.2f} dBTP")
    for layer in record.layers or ():
        facts.add_row(layer.name, f"{layer.loudness_lufs:.2f} LUFS: {', '.join(layer.parts)}")
    facts.add_row("originality", originality_of(record))
    facts.add_row("seed", f"{record.seed}, attempt {record.attempt}, {record.arithmetic}")
    facts.add_row("checkpoint", f"{record.checkpoint.get('name')} {str(record.checkpoint.get('fingerprint'))[:12]}")
    for licence, count in record.checkpoint.get("licences", {}).items():
        facts.add_row("licence", f"{licence} ({count:,} pieces)")
    facts.add_row("soundfont", str(record.soundfont.get("name")))
    if record.versions is not None:
        facts.add_row("made with", ", ".join(f"{name} {version}" for name, version in record.versions.items()))
    return facts


def _replayed(uri: str, record: TrackRecord, checkpoint: str) -> tuple[Replay | None, str]:
    """The take of a track, or why there is none to be had."""
    if record.form is None:
        return None, "the track was made without a plan"
    from lstm_core.tracks.replay import replay

    try:
        return replay(record, checkpoint, storage.absolute(uri).rstrip("/").rsplit("/", 2)[0]), ""
    except TonemillError as error:
        return None, str(error).rstrip(".")


def picture_of(uri: str, record: TrackRecord, found: Replay | None) -> bytes:
    """The picture of a track by its take; by its record and score where there is none; by its score alone."""
    from lstm_core.analysis.picture.drawing import draw_analysis
    from lstm_core.analysis.piece import analyse
    from lstm_core.notes.midi import read_midi
    from lstm_core.tracks.track_picture import draw_track, planned_roles, roles_by_instrument

    if found is not None and found.take.plan is not None and record.form is not None:
        score = found.take.score(found.track.plan)
        roles = planned_roles(score.notes, found.take.plan)
        return draw_track(score, record.form, roles, found)
    score = read_midi(storage.read_bytes(storage.join(uri, "score.mid")))
    if record.form is None:
        return draw_analysis(score, analyse(score))
    return draw_track(score, record.form, roles_by_instrument(score.notes, record.form))


def inspect_catalogue(uri: str) -> None:
    """Prints the tracks of a catalogue, having checked every byte of them."""
    records = list_tracks(uri, verify=True)
    Screen().print(heading("Catalogue", f"{uri}: {len(records):,} tracks, every sha256 right"))
    print_tracks(records[:MAX_ROWS])


def print_tracks(records: Sequence[TrackRecord], failures: Sequence[TrackFailure] = ()) -> None:
    """Prints one row a track, then what failed and why."""
    table = Table(Column("track", overflow="fold"), "style", "key", "bpm", "length", "loop", "LUFS", "dBTP", "gates")
    for record in records:
        passed = sum(gate.is_passed for gate in record.gates)
        table.add_row(
            record.name,
            record.style,
            record.key,
            f"{record.bpm:.1f}",
            f"{record.duration_s:.1f} s",
            "yes" if record.loop else "",
            f"{record.loudness_lufs:.2f}",
            f"{record.true_peak_dbtp:.2f}",
            f"{passed}/{len(record.gates)}",
        )
    console = Screen()
    console.print(table)
    for failure in failures:
        console.print(Text("failed", "red"), f"{failure.name} after {failure.num_attempts} attempts: {failure.reason}")
