"""Real files give the same score by the reader of our own and by music21."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lstm_core.notes.musicxml.reader import read_musicxml
from lstm_core.notes.notation import musicxml_text, read_with_music21

music21 = importlib.util.find_spec("music21")
if music21 is None or music21.origin is None:
    pytest.skip("music21 is not installed", allow_module_level=True)
BUNDLED = Path(music21.origin).parent / "corpus"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "corpora"

FILES = (
    *(f"openscore-lieder/lc{number}.mxl" for number in (5046362, 5988112, 4985932, 5987806, 6162720, 5054957, 7374854)),
    "openscore-lieder/lc28971308.mxl",
    *(f"openscore-quartets/sq{number}.mxl" for number in (7648382, 7551068, 10490761, 8438999)),
)
BUNDLED_FILES = (
    "bach/bwv66.6.mxl",
    "bach/bwv187.7.mxl",
    "joplin/maple_leaf_rag.mxl",
    "mozart/k80/movement2.mxl",
    "monteverdi/madrigal.3.5.mxl",
    "trecento/PMFC_06-Jacopo-03b-Di_Novo.xml",
)


def check_agreement(path: Path) -> None:
    """Asserts that both readers give the same score, but for rounding of tempos."""
    text = musicxml_text(path.read_bytes())
    own, other = read_musicxml(text), read_with_music21(text)
    assert np.array_equal(own.notes, other.notes)
    assert own.meters == other.meters
    assert [tempo.tick for tempo in own.tempos] == [tempo.tick for tempo in other.tempos]
    assert [tempo.bpm for tempo in own.tempos] == pytest.approx([tempo.bpm for tempo in other.tempos], rel=1e-9)
    assert (own.title, own.tags) == (other.title, other.tags)


@pytest.mark.parametrize("name", FILES)
def test_files_of_openscore(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/corpora/{name} is not here")
    check_agreement(path)


@pytest.mark.parametrize("name", BUNDLED_FILES)
def test_files_that_music21_brings_along(name: str) -> None:
    path = BUNDLED / name
    if not path.exists():
        pytest.skip(f"this music21 does not bundle {name}")
    check_agreement(path)
