"""`tonemill inspect` of a folder of feature blocks."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from lstm_core.blocks import SPLITS, open_blocks
from lstm_core.scores.describe import KEY_NAMES

MAX_ROWS = 10  # of each table


def inspect_blocks(uri: str) -> None:
    """Prints what a block set holds, having checked every byte of it."""
    blocks = open_blocks(uri, verify=True)
    index = blocks.index
    console = Console()
    console.print(f"[bold]Feature blocks[/bold] {uri}", highlight=False)
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
    for licence, count in index.licences.items():
        facts.add_row("licence", f"{licence} ({count:,} pieces)")
    console.print(facts, highlight=False)
    pieces = Table("piece", "style", "title", "key", "tempo", "meter", "bars", "events")
    for number in range(min(MAX_ROWS, blocks.num_pieces("train"))):
        piece = blocks.piece("train", number)
        key = "" if piece.key_tonic is None else f"{KEY_NAMES[piece.key_tonic]} {piece.key_mode}"
        meter, tempo, size = str(piece.meters[0]), f"{piece.tempo_bpm:.0f}", f"{len(piece.events):,}"
        pieces.add_row(piece.piece_id, piece.style, piece.title, key, tempo, meter, str(piece.num_bars), size)
    console.print(pieces)
