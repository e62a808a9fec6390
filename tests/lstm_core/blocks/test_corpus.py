"""The manifest of a corpus: which files, which style, which licence."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_core.blocks.corpus import CorpusError, list_corpus


def make_corpus(root: Path, files: dict[str, str]) -> Path:
    """A folder `folk songs` of files with these texts."""
    folder = root / "folk songs"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def labels(folder: Path) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["style"], row["licence"]) for row in list_corpus(folder).manifest.to_pylist()}


def test_style_is_the_first_folder_else_the_name_of_the_corpus(tmp_path: Path) -> None:
    folder = make_corpus(tmp_path, {"a.mid": "", "jigs/b.MID": "", "jigs/set 1/c.abc": "", "é/d.krn": ""})
    assert labels(folder) == {
        "a.mid": ("folk songs", "unknown"),
        "jigs/b.MID": ("jigs", "unknown"),
        "jigs/set 1/c.abc": ("jigs", "unknown"),
        "é/d.krn": ("é", "unknown"),
    }


def test_a_table_of_styles_goes_first_and_may_give_licences(tmp_path: Path) -> None:
    table = 'path,style,licence\njigs/b.mid,slow jig,CC0\n"jigs/*",jig\n*.mid,tune,\n'
    folder = make_corpus(
        tmp_path, {"styles.csv": table, "a.mid": "", "jigs/b.mid": "", "jigs/x/c.mid": "", "d.abc": ""}
    )
    assert labels(folder) == {
        "a.mid": ("tune", "unknown"),
        "jigs/b.mid": ("slow jig", "CC0"),
        "jigs/x/c.mid": ("jig", "unknown"),
        "d.abc": ("folk songs", "unknown"),
    }
    (folder / "styles.csv").write_text("path,style\na.mid\n")
    with pytest.raises(CorpusError, match=r"styles\.csv, line 2: wanted path,style"):
        list_corpus(folder)


def test_licence_is_that_of_the_nearest_folder_above(tmp_path: Path) -> None:
    notice = "# Copyright 1999\nThe Fiddlers\n\nAll rights reserved."
    files = {
        "COPYING.adoc": notice,
        "jigs/LICENSE": "SPDX-License-Identifier: CC-BY-4.0\n",
        "jigs/old/b.mid": "",
        "a.mid": "",
        "airs/c.mid": "",
    }
    corpus = list_corpus(make_corpus(tmp_path, files))
    found = {row["path"]: row["licence"] for row in corpus.manifest.to_pylist()}
    line = "Copyright 1999 The Fiddlers"
    assert found == {"a.mid": line, "airs/c.mid": line, "jigs/old/b.mid": "CC-BY-4.0"}
    assert corpus.notices[line] == notice
    assert corpus.ignored == {}


def test_keys_tell_files_apart_by_path_size_and_etag(tmp_path: Path) -> None:
    folder = make_corpus(tmp_path, {"a.mid": "12", "b.mid": "12"})
    before = list_corpus(folder).manifest["file_key"].to_pylist()
    assert len(set(before)) == 2
    assert list_corpus(folder).manifest["file_key"].to_pylist() == before
    (folder / "b.mid").write_text("123")
    after = list_corpus(folder).manifest["file_key"].to_pylist()
    assert after[0] == before[0] and after[1] != before[1]


def test_a_corpus_without_scores_says_what_is_read_and_what_was_found(tmp_path: Path) -> None:
    folder = make_corpus(tmp_path, {"a.pdf": "", "b.pdf": "", "README": ""})
    message = r"no scores and no recordings in .*folk songs: we read \.mid, .*found 2 \.pdf, 1 no suffix"
    with pytest.raises(CorpusError, match=message):
        list_corpus(folder)


def test_names_that_are_not_utf8_are_reported(tmp_path: Path) -> None:
    folder = make_corpus(tmp_path, {"a.mid": ""})
    (folder / "\udce9.mid").write_text("")
    corpus = list_corpus(folder)
    assert corpus.manifest["path"].to_pylist() == ["a.mid"]
    assert corpus.denied == (("\\xe9.mid", "its name is not UTF-8: rename it"),)
