"""Who must be named is named in every catalogue, whatever order its tracks were made in and however they were read."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.catalogue.attribution import Terms, keep_terms, write_attribution
from lstm_core.catalogue.folder import commit_track, list_tracks, write_catalog
from lstm_core.catalogue.known import KnownTracks
from lstm_core.catalogue.records import TrackRecord, make_record
from tests.lstm_core.catalogue.made_up_records import content

CC_BY = "CC BY 4.0: Tanner Helland"
BSD = "BSD 3-Clause: Contributors to a game"
NOTICES = {
    CC_BY: f"{CC_BY}\n\nhttps://creativecommons.org/licenses/by/4.0/",
    BSD: f"{BSD}\n\n# Redistribution\n* and use",
}


def record(track_id: str, fingerprint: str, licences: dict[str, int]) -> TrackRecord:
    checkpoint = {"fingerprint": fingerprint, "name": "base", "corpus_fingerprint": "c", "licences": licences}
    return make_record(content(track_id=track_id, name=track_id, checkpoint=checkpoint))


def attribution_of(catalogue: Path) -> str:
    return (catalogue / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_names_and_texts_of_the_checkpoints_of_its_tracks_and_of_no_other(tmp_path: Path) -> None:
    catalogue = str(tmp_path)
    for fingerprint, licences in {"f1": {CC_BY: 17, BSD: 111}, "f2": {"CC0": 3}}.items():
        notices = {line: NOTICES[line] for line in licences if line in NOTICES}
        keep_terms(catalogue, fingerprint, Terms(name="base", licences=licences, notices=notices))
    write_catalog(catalogue, [record("a", "f2", {"CC0": 3})])
    assert "Helland" not in attribution_of(tmp_path) and "CC0 (3 pieces)" in attribution_of(tmp_path)
    write_catalog(catalogue, [record("a", "f2", {"CC0": 3}), record("b", "f1", {CC_BY: 17}), record("c", "f1", {})])
    text = attribution_of(tmp_path)
    assert "## 2 tracks of checkpoint f1\n" in text and "## 1 track of checkpoint f2\n" in text
    assert f"    {CC_BY} (17 pieces)\n" in text and "creativecommons.org/licenses/by/4.0/" in text
    assert "\n    # Redistribution\n    * and use\n" in text, "the text of a notice is no Markdown of ours"
    assert text.count("Redistribution") == 1


def test_the_bytes_depend_on_the_tracks_alone(tmp_path: Path) -> None:
    """Records that were made just now hold licences with counts, rows of the table text: both name the same."""
    catalogue = str(tmp_path)
    keep_terms(catalogue, "f1", Terms(name="base", licences={CC_BY: 17}, notices=NOTICES))
    records = [record("a", "f1", {CC_BY: 17}), record("b", "old", {BSD: 2, "CC0": 1}), record("c", "f1", {CC_BY: 17})]
    records = [commit_track(catalogue, one, {"score.mid": b"MThd"}) for one in records]
    write_catalog(catalogue, records)
    first = attribution_of(tmp_path)
    assert f"base, learnt from:\n\n    {BSD}\n    CC0\n\nThe texts of its licences are not in this catalogue" in first
    known = KnownTracks(catalogue)
    write_catalog(catalogue, known.refresh(), stamps=known.stamps)
    assert attribution_of(tmp_path) == first
    rows = KnownTracks(catalogue).refresh()
    assert isinstance(rows[0].checkpoint["licences"], list), "read from the table"
    write_attribution(catalogue, reversed(rows))
    assert attribution_of(tmp_path) == first
    write_attribution(catalogue, list_tracks(catalogue))
    assert attribution_of(tmp_path) == first


@pytest.mark.parametrize("damage", [b"{", b"[]", json.dumps({"name": "x", "licences": {"CC0": "many"}}).encode()])
def test_terms_that_cannot_be_read_are_reported_and_the_lines_still_named(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    keep_terms(str(tmp_path), "f1", Terms(name="base", licences={CC_BY: 17}, notices=NOTICES))
    storage.write_bytes(tmp_path / "catalog" / "terms" / "f1.json", damage)
    with caplog.at_level(logging.WARNING):
        write_attribution(str(tmp_path), [record("a", "f1", {CC_BY: 17})])
    assert "f1.json cannot be read" in caplog.text
    assert f"    {CC_BY}\n" in attribution_of(tmp_path)


@pytest.mark.parametrize("fingerprint", ["../../secret", "", "f\n# 1"])
def test_a_fingerprint_is_no_way_out_of_the_catalogue(tmp_path: Path, fingerprint: str) -> None:
    storage.write_bytes(tmp_path / "secret.json", b'{"name": "s", "licences": {"SECRET": 1}, "notices": {}}')
    catalogue = tmp_path / "a" / "b"
    write_attribution(str(catalogue), [record("a", fingerprint, {"CC0\n# x": 1})])
    text = attribution_of(catalogue)
    assert "SECRET" not in text and text.count("\n#") == 1
