"""`tonemill inspect` of a folder of feature blocks."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from jobs.command_line.screen import Screen, heading
from lstm_core.blocks.feature_blocks import SPLITS, BlockSet, open_blocks
from lstm_core.notes.describe import KEY_NAMES

MAX_ROWS = 10  # of each table
_MEASURES = ("confidence", "loudness_lufs", "brightness_hz")


def inspect_blocks(uri: str) -> None:
    """Prints what a block set holds, having checked every byte of it."""
    blocks = open_blocks(uri, verify=True)
    index = blocks.index
    console = Screen()
    console.print(heading("Feature blocks", f"{uri}"))
    streams = ", ".join(f"{name} {size}" for name, size in index.streams)
    facts = Table(show_header=False, box=None)
    facts.add_row("representation", f"{index.representation}: {streams}")
    facts.add_row("fingerprint", index.fingerprint)
    for split in SPLITS:
        facts.add_row(split, f"{index.num_pieces[split]:,} pieces, {index.num_events[split]:,} events")
    facts.add_row("music", f"{index.duration_s / 3600:.2f} hours")
    size_bytes = sum(entry.size_bytes for entry in index.blocks)
    facts.add_row("blocks", f"{len(index.blocks)} of {size_bytes / 1e6:.1f} MB in all, every sha256 right")
    facts.add_row("styles", ", ".join(index.styles[:MAX_ROWS]) + (" ..." if len(index.styles) > MAX_ROWS else ""))
    for name, value in _recording_facts(blocks):
        facts.add_row(name, value)
    for licence, count in index.licences.items():
        facts.add_row("licence", f"{licence} ({count:,} pieces)")
    console.print(facts)
    pieces = Table("piece", "style", "title", "key", "tempo", "meter", "bars", "events")
    for number in range(min(MAX_ROWS, blocks.num_pieces("train"))):
        piece = blocks.piece("train", number)
        key = "" if piece.key_tonic is None else f"{KEY_NAMES[piece.key_tonic]} {piece.key_mode}"
        meter, tempo, size = str(piece.meters[0]), f"{piece.tempo_bpm:.0f}", f"{len(piece.events):,}"
        pieces.add_row(piece.piece_id, piece.style, piece.title, key, tempo, meter, str(piece.num_bars), size)
    console.print(pieces)


def _recording_facts(blocks: BlockSet) -> Iterator[tuple[str, str]]:
    """What is known of the recordings that pieces come from; nothing where there are none."""
    counts = blocks.index.recordings
    if not counts:
        return
    num_recordings = sum(counts["codec"].values())
    yield "recordings", f"{num_recordings:,} pieces, {blocks.index.recorded_s / 3600:.2f} hours"
    yield "codecs", _ranked(counts["codec"])
    yield "sample rates", _ranked({f"{int(rate):,} Hz": count for rate, count in counts["sample_rate"].items()})
    yield "channels", _ranked(counts["num_channels"])
    yield "with a beat", f"{counts['has_beat'].get('true', 0) / num_recordings:.0%}"
    measured = pa.concat_tables([table.select(_MEASURES) for table in blocks.tables])
    for name, form in zip(_MEASURES, ("{:.2f}", "{:.1f} LUFS", "{:,.0f} Hz"), strict=True):
        quantiles = pc.quantile(measured[name].drop_null(), q=[0.05, 0.5, 0.95]).to_pylist()
        low, middle, high = (form.format(value or 0.0) for value in quantiles)
        yield name.partition("_")[0], f"{middle} (most between {low} and {high})"


def _ranked(counts: dict[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ranked)
