"""A corpus folder out of the scores that the package music21 brings along: chorales, madrigals, tunes.

Only music that is in the public domain is taken, and only encodings that claim no rights and name no limit of use. The
package's own statement (music21/corpus/license.txt) is that its scores are distributed with the permission of their
encoders, and that those which may not be used freely say so in their file or folder. So every file is searched for
such words and skipped where any is found. Collections whose terms are kept elsewhere, or whose origin is not given, are
not looked at: trecento, Essen, Nottingham, Palestrina and Josquin (terms), Aird (one editor's own edition), the
quartets (early MusicXML that names no encoder), most chorales (a copyright line of their edition).

    FOLDER/<style>/<file>        the original file; of a book each tune by itself, with a tempo (Q:) if it has none
    FOLDER/styles.csv            path, style of the base model, licence
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path, PurePosixPath

from lstm_core.foundation.errors import TonemillError

STYLES_NAME = "styles.csv"
_CLAIM = re.compile(
    r"©|\(c\)\s*(?:19|20)\d\d|copyright|rights\s+reserved|used by permission|licen[sc]|commercial", re.I
)
_ABC_RHYTHM = re.compile(r"^R:\s*(.+?)\s*$", re.M)
_ABC_START = re.compile(r"^X:", re.M)
_ABC_METER, _ABC_KEY = re.compile(r"^M:\s*(\S+)", re.M), re.compile(r"^K:", re.M)
AIR_TEMPOS = {"6/8": "3/8=58", "9/8": "3/8=58", "12/8": "3/8=58", "3/4": "1/4=92", "3/8": "1/8=104", "2/4": "1/4=66"}
AIR_TEMPO = "1/4=88"  # of the other meters; airs are sung, so slower than the dances of the same meter
AIR_SPREAD = 0.12  # share up or down at most, by a hash of the tune


@dataclass(frozen=True, kw_only=True)
class BundledScore:
    """One score of the package."""

    name: str  # of the file that it becomes
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the scores of one style come from."""

    pattern: str  # below music21/corpus
    licence: str  # note that every piece of it carries
    base_style: str  # style of the base model that its pieces belong to
    is_taken: Callable[[str, str], bool] = lambda name, text: True  # given file name and text


def _rhythm(*words: str) -> Callable[[str, str], bool]:
    """Takes a tune whose header R: names one of `words`; without that header, whose file name ends on one."""

    def is_taken(name: str, text: str) -> bool:
        found = _ABC_RHYTHM.search(text)
        said = found.group(1) if found else PurePosixPath(name).stem
        return said.lower().replace(" ", "").endswith(words)

    return is_taken


_TERMS = "encoding from music21, which has its encoder's permission; it claims no rights and names no limit of use"
_TUNES = f"Public domain (Ryan's Mammoth Collection, Boston 1883); {_TERMS}"
SOURCES: dict[str, Source] = {
    "chorale": Source(
        pattern="bach/bwv*.*",
        base_style="choral",
        licence=f"Public domain (J. S. Bach); {_TERMS}",
        is_taken=lambda name, text: not name.startswith("bwv846"),  # the prelude of the Well-Tempered Clavier
    ),
    "madrigal": Source(
        pattern="monteverdi/*.*", base_style="choral", licence=f"Public domain (C. Monteverdi); {_TERMS}"
    ),
    "reel": Source(pattern="ryansMammoth/*.abc", base_style="dance", licence=_TUNES, is_taken=_rhythm("reel")),
    "jig": Source(pattern="ryansMammoth/*.abc", base_style="dance", licence=_TUNES, is_taken=_rhythm("jig", "slide")),
    "hornpipe": Source(
        pattern="ryansMammoth/*.abc", base_style="dance", licence=_TUNES, is_taken=_rhythm("hornpipe", "clog")
    ),
    "strathspey": Source(
        pattern="ryansMammoth/*.abc", base_style="dance", licence=_TUNES, is_taken=_rhythm("strathspey", "fling")
    ),
    "air": Source(
        pattern="oneills1850/0[0-6]*.abc",  # the book's numbers 1 to 625 are airs and songs
        base_style="folk",
        licence=f"Public domain (F. O'Neill, Music of Ireland, Chicago 1903); {_TERMS}",
        is_taken=lambda name, text: int(re.findall(r"\d+", name)[0]) <= 625,
    ),
}


def build_corpus(folder: str | Path, styles: Mapping[str, int]) -> dict[str, int]:
    """Number of scores put into `folder` by style: at most the requested number of each style.

    Fewer scores than there are make a varied choice, always the same one. What is there already is left as it is.

    Raises:
        TonemillError: a style that is not bundled, a number below 1, or music21 is not installed.
    """
    corpus = _bundled_folder()
    for style, limit in styles.items():
        if style not in SOURCES:
            raise TonemillError(f"There is no bundled style {style!r}; there are {', '.join(sorted(SOURCES))}.")
        if limit < 1:
            raise TonemillError(f"{limit} scores of style {style} were requested; it takes at least 1.")
    counts: dict[str, int] = {}
    for style, limit in styles.items():
        chosen = sorted(_scores(corpus, SOURCES[style]), key=_shuffled)[:limit]
        target = Path(folder) / style
        target.mkdir(parents=True, exist_ok=True)
        for score in chosen:
            path = target / score.name
            if not (path.exists() and path.read_bytes() == score.data):
                path.write_bytes(score.data)
        counts[style] = len(chosen)
    _write_styles(Path(folder), styles)
    return counts


def scores_of_style(style: str) -> list[BundledScore]:
    """All bundled scores of a style of `SOURCES`.

    Raises:
        TonemillError: music21 is not installed.
    """
    return list(_scores(_bundled_folder(), SOURCES[style]))


def _bundled_folder() -> Path:
    spec = util.find_spec("music21")  # found without importing it, which takes seconds
    if spec is None or not spec.submodule_search_locations:
        raise TonemillError(
            "The bundled scores come with the package music21. Install it: pip install 'tonemill[scores]'"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "corpus"


def _scores(corpus: Path, source: Source) -> Iterator[BundledScore]:
    """Every score of a source that may be taken."""
    for path in sorted(corpus.glob(source.pattern)):
        if path.suffix not in (".mxl", ".xml", ".musicxml", ".abc"):
            continue
        data = path.read_bytes()
        text = _text(data, path.suffix)
        if _CLAIM.search(text):
            continue
        name = "-".join(path.relative_to(corpus).parts[1:])
        tunes = _tunes(text) if path.suffix == ".abc" else []
        if len(tunes) > 1:
            for tune in tunes:
                number = re.sub(r"\D", "", tune.split("\n", 1)[0]).zfill(4)
                if source.is_taken(f"{number}.abc", tune):
                    yield BundledScore(name=f"{path.stem}-{number}.abc", data=_with_tempo(tune).encode())
        elif source.is_taken(name, text):
            yield BundledScore(name=name, data=data)


def _tunes(text: str) -> list[str]:
    """Each tune of a book in ABC notation, from its X: to the next."""
    starts = [match.start() for match in _ABC_START.finditer(text)]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _with_tempo(tune: str) -> str:
    """The tune with an air's tempo by its meter in the header, unless it has a tempo."""
    key = _ABC_KEY.search(tune)
    if key is None or re.search(r"^Q:", tune, re.M):
        return tune
    meter = _ABC_METER.search(tune)
    tempo = AIR_TEMPOS.get(meter.group(1), AIR_TEMPO) if meter else AIR_TEMPO
    unit, _, bpm = tempo.partition("=")
    share = hashlib.sha256(tune.encode()).digest()[0] / 127.5 - 1.0
    return f"{tune[: key.start()]}Q:{unit}={round(int(bpm) * (1 + AIR_SPREAD * share))}\n{tune[key.start() :]}"


def _text(data: bytes, suffix: str) -> str:
    """All that a file says, unpacked."""
    if suffix == ".mxl":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = b"\n".join(archive.read(name) for name in archive.namelist() if name.endswith("xml"))
    return data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _shuffled(score: BundledScore) -> str:
    return hashlib.sha256(score.name.encode()).hexdigest()


def _write_styles(folder: Path, styles: Mapping[str, int]) -> None:
    """Writes styles.csv; lines of other styles that it holds already stay."""
    path = folder / STYLES_NAME
    rows = {f"{style}/*": (SOURCES[style].base_style, SOURCES[style].licence) for style in styles}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows.setdefault(row["path"], (row["style"], row["licence"]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "style", "licence"))
        writer.writerows((pattern, *values) for pattern, values in sorted(rows.items()))


def main(arguments: list[str] | None = None) -> None:
    """Builds a corpus as the command line says and prints the number of scores of each style."""
    parser = argparse.ArgumentParser(prog="python -m jobs.demo.bundled_scores", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--style", action="append", required=True, metavar="STYLE=COUNT", help="may be repeated")
    options = parser.parse_args(arguments)
    styles: dict[str, int] = {}
    for text in options.style:
        style, _, count = text.partition("=")
        if not count.isdigit():
            parser.error(f"--style wants STYLE=COUNT, got {text!r}")
        styles[style] = int(count)
    for style, count in build_corpus(options.folder, styles).items():
        print(f"{style}: {count}")


if __name__ == "__main__":
    main()
