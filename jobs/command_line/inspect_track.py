"""`tonemill inspect` of a track's folder and of a whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Column, Table
from rich.text import Text

from jobs.command_line.screen import Screen, heading
from lstm_core import storage
from lstm_core.catalogue.folder import RECORD_NAME, list_tracks
from lstm_core.catalogue.records import TrackFailure, TrackRecord

MAX_ROWS = 40


def inspect_track(uri: str) -> None:
    """Prints all that is known of one track."""
    record = TrackRecord.from_json(storage.read_bytes(storage.join(uri, RECORD_NAME)))
    console = Screen()
    facts = Table(show_header=False, box=None)
    facts.add_row("track", f"{record.name} ({record.track_id})")
    length = f"{record.duration_s:.3f} s, {record.num_samples:,} samples at {record.sample_rate} Hz"
    loop = f", loop from sample {record.loop_start_sample:,} on" if record.loop_start_sample else ", loop"
    facts.add_row("length", f"{length}, {record.num_bars} bars of {record.meter}{loop if record.loop else ''}")
    facts.add_row("music", f"{record.key}, {record.bpm:.2f} bpm, style {record.style or 'open'}")
    facts.add_row("instruments", ", ".join(record.instruments))
    if record.form is not None:
        facts.add_row("form", f"{record.form.text}, energy {record.form.mean_energy:g} of 1")
        facts.add_row("chords", record.form.chords_text(record.num_bars))
    facts.add_row("level", f"{record.loudness_lufs:.2f} LUFS, true peak {record.true_peak_dbtp:.2f} dBTP")
    facts.add_row("seed", f"{record.seed}, attempt {record.attempt}, {record.arithmetic}")
    facts.add_row("checkpoint", f"{record.checkpoint.get('name')} {str(record.checkpoint.get('fingerprint'))[:12]}")
    for licence, count in record.checkpoint.get("licences", {}).items():
        facts.add_row("licence", f"{licence} ({count:,} pieces)")
    facts.add_row("soundfont", str(record.soundfont.get("name")))
    console.print(facts)
    gates = Table("gate", "passed", "value", "bound")
    for gate in record.gates:
        value = "" if gate.value is None else f"{gate.value:g}"
        gates.add_row(gate.name, "yes" if gate.is_passed else Text("no", "red"), value, gate.bound)
    console.print(gates)


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
