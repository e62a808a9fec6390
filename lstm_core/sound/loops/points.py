"""Where a loop begins and ends, written into files where engines look for it.

A `smpl` chunk in WAV (Microsoft, New Multimedia Data Types and Data Techniques, 1994); in FLAC the Vorbis comments
LOOPSTART and LOOPLENGTH, in samples, as RPG Maker and those after it read them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_FOREVER = 0  # as number of rounds
_MIDDLE_C = 60
_COMMENTS, _LAST_BLOCK = 4, 0x80  # kind of a FLAC metadata block, and the flag of the last one


@dataclass(frozen=True, kw_only=True)
class LoopPoints:
    """The part of a track that goes round; what comes before is played once."""

    start: int  # sample
    end: int  # sample after its last one


def mark_wav(data: bytes, sample_rate: int, points: LoopPoints) -> bytes:
    """The WAV file with a `smpl` chunk at its end."""
    period_ns = round(1e9 / sample_rate)
    loop = struct.pack("<6I", 0, 0, points.start, points.end - 1, 0, _FOREVER)  # from the first to the last sample
    body = struct.pack("<9I", 0, 0, period_ns, _MIDDLE_C, 0, 0, 0, 1, 0) + loop
    padded = data + bytes(len(data) % 2)
    marked = padded + b"smpl" + struct.pack("<I", len(body)) + body
    return marked[:4] + struct.pack("<I", len(marked) - 8) + marked[8:]


def mark_flac(data: bytes, sample_rate: int, points: LoopPoints) -> bytes:
    """The FLAC file with two Vorbis comments more; `sample_rate` is in the file already."""
    blocks, frames = _metadata(data)
    vendor, comments = b"", list[bytes]()
    for kind, body in blocks:
        if kind == _COMMENTS:
            vendor, comments = _read_comments(body)
    comments += [f"LOOPSTART={points.start}".encode(), f"LOOPLENGTH={points.end - points.start}".encode()]
    body = b"".join(struct.pack("<I", len(text)) + text for text in comments)
    body = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments)) + body
    kept = [(kind, old) for kind, old in blocks if kind != _COMMENTS] + [(_COMMENTS, body)]
    heads = [kind | (_LAST_BLOCK if i == len(kept) - 1 else 0) for i, (kind, _) in enumerate(kept)]
    written = [bytes([head]) + len(old).to_bytes(3, "big") + old for head, (_, old) in zip(heads, kept, strict=True)]
    return b"fLaC" + b"".join(written) + data[frames:]


def _metadata(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Kind and body of each metadata block of a FLAC file, and where its frames begin."""
    blocks, at, is_last = list[tuple[int, bytes]](), 4, False
    while not is_last:
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        blocks.append((data[at] & ~_LAST_BLOCK, data[at + 4 : at + 4 + size]))
        is_last = bool(data[at] & _LAST_BLOCK)
        at += 4 + size
    return blocks, at


def _read_comments(body: bytes) -> tuple[bytes, list[bytes]]:
    """The name of the writer and the comments of a block."""
    vendor, at = _read_text(body, 0)
    comments, count = list[bytes](), int.from_bytes(body[at : at + 4], "little")
    at += 4
    for _ in range(count):
        text, at = _read_text(body, at)
        comments.append(text)
    return vendor, comments


def _read_text(body: bytes, at: int) -> tuple[bytes, int]:
    """The text whose length stands at a place, and the place after it."""
    start = at + 4
    stop = start + int.from_bytes(body[at:start], "little")
    return body[start:stop], stop
