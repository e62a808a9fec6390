"""The examples of docs/orders.md and the README: whole orders, made as they are printed, and their pictures.

    python -m tests.e2e.order_examples    draws docs/orders/*.png anew

Files that an example names stand beside it, and the ids in it are those of two tracks that are made first.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.command_line.inspect_track import picture_of
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.run import GenerateResult, run_generate
from lstm_core.composing.players import load_playable
from lstm_core.orders.order_file import Order, expand_order, read_order
from lstm_core.orders.order_rows import parse_toml
from lstm_core.orders.timing.bridge_row import without_decided
from lstm_core.tracks.replay import Replayer, ReplayError
from tests.lstm_core.orders.hums import WALTZ, played, write_recording
from tests.lstm_core.orders.tunes import TUNE, rows_of, write_tune

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, PICTURES = ROOT / "docs/orders.md", ROOT / "docs/orders"
README, README_SECTION = ROOT / "README.md", "Music under direction"
PRINTED_IDS = ("34fbd796ac8547c91b8ada3a", "c09f7ffa96c4fcdf8e98bc3e")
SOURCES = """
[track]
style = "game"
bpm = 120
duration_s = 32
loop = true
instruments = ["flute", "piano", "strings", "bass", "drums"]

[[group]]
name = "harbour"
key = "D minor"
form = "A:4 B:4 A:4 A':4"
seed = 4

[[group]]
name = "storm"
key = "A minor"
form = "A:4 A':4 B:4 A:4"
seed = 5
"""
CUT_LIST = """\
TITLE: TRAILER
FCM: NON-DROP FRAME

001  A001     V     C        00:00:10:00 00:00:17:12 01:00:00:00 01:00:07:12
002  A002     V     C        00:01:00:00 00:01:08:06 01:00:07:12 01:00:15:18
003  A003     V     C        00:02:00:00 00:02:08:06 01:00:15:18 01:00:24:00
"""
_BLOCK = re.compile(r"^## ([^\n]+)$|^```toml\n(.*?)^```$|^!\[[^\]]*\]\(orders/(\w+)\.png\)$", re.MULTILINE | re.DOTALL)
_CSV = re.compile(r"As CSV:\n\n((?:    .+\n)+)")


@dataclass(kw_only=True)
class Example:
    """An order of the document."""

    section: str
    values: Mapping[str, Any]
    picture: str = ""

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Its groups, with what holds for all of them."""
        common = self.values.get("track", {})
        groups = self.values.get("group", [{"name": re.sub(r"\W+", "-", self.section)}])
        return [
            {**(without_decided(common, group["bridge"]) if "bridge" in group else common), **group} for group in groups
        ]


def examples(text: str) -> list[Example]:
    """The examples of a document, each with the picture that follows it, if one does."""
    section, found = "all fields", list[Example]()
    for heading, block, picture in _BLOCK.findall(text):
        if heading:
            section = heading
        elif block:
            found.append(Example(section=section, values=parse_toml(block.encode(), f"the example of {section}")))
        elif picture:
            found[-1].picture = picture
    return found


def write_files(folder: Path) -> None:
    """The files that examples name."""
    write_tune(folder / "tune.mid", rows_of(TUNE))
    waltz = rows_of(WALTZ, program=71, tonic=65, bar_quarters=3)
    write_recording(folder / "hum.flac", played(waltz, 96.0)).rename(folder / "hum.wav")
    (folder / "cut.edl").write_text(CUT_LIST)


def documents_with_ids(folder: Path) -> tuple[str, str]:
    """The document and the README, with the ids of two tracks that are made in the catalogue of a folder."""
    sources = expand_order(parse_toml(SOURCES.encode(), "sources"), default_name="sources")
    result = run_generate("base", sources, str(folder / "catalogue"), GenerateRecipe(), is_here=True)
    texts = [DOCUMENT.read_text(), README.read_text()]
    for printed, record in zip(PRINTED_IDS, result.records, strict=True):
        texts = [text.replace(printed, record.track_id) for text in texts]
    return texts[0], texts[1]


def order_of(found: list[Example], folder: Path) -> tuple[Order, list[range]]:
    """One order of many examples, and the places of each one's tracks in it."""
    groups = [group for example in found for group in example.groups]
    counts = [sum(int(group.get("count", group.get("steps", 1))) for group in example.groups) for example in found]
    starts = [sum(counts[:number]) for number in range(len(counts))]
    values = {"group": groups, "seed": 7}
    order = expand_order(values, default_name="examples", folder=str(folder), catalogue=str(folder / "catalogue"))
    return order, [range(start, start + count) for start, count in zip(starts, counts, strict=True)]


def order_of_rows(text: str, folder: Path) -> Order:
    """The order that the document prints as CSV."""
    printed = _CSV.search(text)
    assert printed is not None
    (folder / "rows.csv").write_text(re.sub(r"^    ", "", printed[1], flags=re.MULTILINE))
    return read_order(folder / "rows.csv")


def make(order: Order, folder: Path) -> GenerateResult:
    """Makes an order into the catalogue of a folder."""
    return run_generate("base", order, str(folder / "catalogue"), GenerateRecipe(), is_here=True)


def draw_all() -> None:
    """Makes all examples that have a picture, and draws the last track of each."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        shown = [example for example in examples(documents_with_ids(folder)[0]) if example.picture]
        order, places = order_of(shown, folder)
        result = make(order, folder)
        catalogue = str(folder / "catalogue")
        replayer = Replayer(load_playable("base"), catalogue)
        following = result.records[len(order.planned) :]
        for example, own in zip(shown, places, strict=True):
            record = result.records[own[-2] if example.section == "between" else own[-1]]
            if any(group.get("transitions") for group in example.groups):
                record = next(one for one in following if one.name.endswith("layer-2-to-3"))
            try:
                replay = replayer.replay(record)
            except ReplayError:
                replay = None
            uri = f"{catalogue}/{record.folder}"
            (PICTURES / f"{example.picture}.png").write_bytes(picture_of(uri, record, replay))


if __name__ == "__main__":
    draw_all()
