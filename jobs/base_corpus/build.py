"""Builds the corpus of the base checkpoint.

    python -m jobs.base_corpus.build FOLDER [--shared CORPORA] [--max-per-style COUNT]

    FOLDER/<style>/<source>-<file>      the pieces, byte for byte but for Mutopia's (engraved.py)
    FOLDER/licences/<number>/COPYING    the licence texts and credits that must travel with the weights
    FOLDER/left-out.csv                 source, file, reason of what was not taken
    FOLDER/ATTRIBUTION.md               authors and licences, for people
    FOLDER/styles.csv                   path, style, licence; written last

Of a style with more pieces than COUNT, or than LONG_PIECES says, those are taken whose names have the smallest hashes:
always the same ones.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.base_corpus.pieces import BaseCorpusError, LeftOut, Licence, Piece
from jobs.base_corpus.sources import all_pieces
from lstm_core.blocks.corpus import MAX_NOTICE_CHARS, STYLES_NAME
from lstm_core.foundation.errors import TonemillError

MAX_PER_STYLE = 400
LONG_PIECES = {"quartet": 40}  # at most of a style with long ones: a quartet has 12,000 notes, a song 1,000
SHARED = Path("../shared/corpora")


@dataclass(frozen=True, kw_only=True)
class BaseCorpus:
    """What a base corpus is made of."""

    pieces: tuple[Piece, ...]  # by path
    left_out: tuple[LeftOut, ...]

    def counts(self) -> dict[str, int]:
        """Number of pieces by style."""
        return dict(sorted(Counter(piece.style for piece in self.pieces).items()))


def choose_pieces(found: Iterable[Piece | LeftOut], *, max_per_style: int) -> BaseCorpus:
    """At most `max_per_style` pieces of each style, fewer where they are long.

    The others are left out like what cannot be taken.

    Raises:
        BaseCorpusError: `max_per_style` is below 1, or two pieces have one name.
    """
    if max_per_style < 1:
        raise BaseCorpusError(f"{max_per_style} pieces of a style are no corpus: --max-per-style takes at least 1.")
    by_style: dict[str, list[Piece]] = defaultdict(list)
    left_out = []
    for item in found:
        if isinstance(item, LeftOut):
            left_out.append(item)
        else:
            by_style[item.style].append(item)
    chosen: dict[str, Piece] = {}
    for style, pieces in by_style.items():
        pieces.sort(key=lambda piece: hashlib.sha256(piece.path.encode()).digest())
        limit = min(max_per_style, LONG_PIECES.get(style, max_per_style))
        reason = f"{len(pieces)} pieces of style {style}, {limit} of them are taken"
        left_out += [LeftOut(source=p.source, file=p.file, reason=reason) for p in pieces[limit:]]
        for piece in pieces[:limit]:
            if other := chosen.get(piece.path):
                raise BaseCorpusError(
                    f"{other.file} and {piece.file} of {piece.source} would both become {piece.path}."
                )
            chosen[piece.path] = piece
    return BaseCorpus(
        pieces=tuple(piece for _, piece in sorted(chosen.items())),
        left_out=tuple(sorted(left_out, key=lambda item: (item.source, item.file))),
    )


def write_corpus(folder: Path, corpus: BaseCorpus) -> None:
    """Writes the pieces and what is to be known of them; styles.csv last.

    Raises:
        BaseCorpusError: the folder holds files of something else, which would become part of the corpus.
    """
    licences = [piece.licence for piece in corpus.pieces]
    notices = {licence.line: notice_text(licence, corpus.pieces) for licence in licences if licence.notice}
    files = {f"licences/{n}/COPYING": text.encode() for n, (_, text) in enumerate(sorted(notices.items()), start=1)}
    files["left-out.csv"] = _table(
        ("source", "file", "reason"), [(item.source, item.file, item.reason) for item in corpus.left_out]
    )
    files["ATTRIBUTION.md"] = attribution(corpus.pieces).encode()
    styles = _table(("path", "style", "licence"), [(p.path, p.style, p.licence.line) for p in corpus.pieces])
    known = {*files, STYLES_NAME, *(piece.path for piece in corpus.pieces)}
    there = (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if not path.is_dir())
    strange = [name for name in there if name not in known]
    if strange:
        raise BaseCorpusError(
            f"{folder} holds {len(strange)} files that are not of this corpus, the first is {strange[0]}. "
            "Give an empty folder, or remove this one first."
        )
    for piece in corpus.pieces:
        _write(folder / piece.path, piece.read())
    for name, data in files.items():
        _write(folder / name, data)
    _write(folder / STYLES_NAME, styles)


def notice_text(licence: Licence, pieces: Sequence[Piece]) -> str:
    """The text of a licence as a corpus holds it: its line as the first paragraph, the text, the credits.

    Raises:
        BaseCorpusError: it is longer than what blocks keep of a notice.
    """
    text = f"{licence.line}\n\n{licence.notice.strip()}\n"
    if licence.lists_pieces:
        credits = sorted({piece.credit for piece in pieces if piece.licence.line == licence.line})
        text += "\nLearnt from, as events of notes: " + "; ".join(credits) + ".\n"
    if len(text) > MAX_NOTICE_CHARS:
        raise BaseCorpusError(
            f"The notice of {licence.line!r} has {len(text)} characters, blocks keep {MAX_NOTICE_CHARS}: "
            "split its pieces between two licence lines."
        )
    return text


def attribution(pieces: Sequence[Piece]) -> str:
    """Who made the pieces, and on which terms, as Markdown."""
    counts = Counter(piece.licence.line for piece in pieces)
    licences = {piece.licence.line: piece.licence for piece in pieces}
    parts = ["# Attribution\n\nThe scores of this corpus, their terms, and whom they ask to be named.\n"]
    for line, count in sorted(counts.items()):
        parts.append(f"\n## {line}\n\n{count} pieces.\n")
        if licences[line].notice:
            parts.append("\n" + notice_text(licences[line], pieces).partition("\n\n")[2])
    return "".join(parts)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main(arguments: list[str] | None = None) -> int:
    """Builds the corpus as the command line says and prints what came of it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m jobs.base_corpus.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shared", type=Path, default=SHARED, metavar="CORPORA", help=f"default {SHARED}")
    parser.add_argument("--max-per-style", type=int, default=MAX_PER_STYLE, metavar="COUNT", help="default %(default)s")
    options = parser.parse_args(arguments)
    try:
        corpus = choose_pieces(all_pieces(options.shared), max_per_style=options.max_per_style)
        write_corpus(options.folder, corpus)
    except TonemillError as error:
        print(error, file=sys.stderr)
        return 1
    for style, count in corpus.counts().items():
        print(f"{style}: {count}")
    for (source, reason), count in sorted(Counter((item.source, item.reason) for item in corpus.left_out).items()):
        print(f"left out of {source}: {count} ({reason})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
