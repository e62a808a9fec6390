"""`tonemill inspect` of a track: sections, who plays, what bars repeat, and a picture of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.command_line.track_sections import bars_text, sections_table
from lstm_core.analysis.references import TRANSPOSED
from lstm_core.catalogue.folder import commit_track
from lstm_core.catalogue.records import make_record
from lstm_core.notes.midi import write_midi
from tests.jobs.command_line.test_inspect_score import song
from tests.jobs.command_line.test_main import run
from tests.lstm_core.catalogue.made_up_forms import made_form, made_plan
from tests.lstm_core.catalogue.made_up_records import content
from tests.lstm_core.tracks.test_replay import made_record, saved_composer


def test_what_bars_repeat_in_words() -> None:
    plan = made_plan("A B A A'", 4)
    assert bars_text(plan, 0, 16) == "1-8 new, 9-12 as 1-4, 13-16 varied from 1-4"
    assert bars_text(plan, 10, 13) == "11-12 as 3-4, 13 varied from 1"
    plan.source[9:11], plan.relation[10], plan.shift[10] = (5, 2), TRANSPOSED, 2
    assert bars_text(plan, 8, 12) == "9 as 1, 10 as 6, 11 as 3 +2 semitones, 12 as 4"


def test_sections_tell_who_plays() -> None:
    plan = made_plan("A B", 2)
    plan.active[:2], plan.active[2:], plan.roles[4] = 0b10011, 0b00100, plan.roles[0]
    table = sections_table(made_form("A B", 2), plan)
    cells = [list(column.cells) for column in table.columns]
    assert cells[:2] == [["A", "B"], ["1-2", "3-4"]] and cells[2] == ["Am | F/A", "F/A | Dm7 G"]
    assert cells[4] == ["melody 2, bass", "drums"] and cells[5] == ["1-2 new", "3-4 new"]
    assert len(sections_table(made_form("A B", 2), None).columns) == 4


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_composer(tmp_path_factory.mktemp("composer"))


def test_a_track_is_replayed_and_drawn(
    composer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    record, track, take = made_record(composer)
    folder = tmp_path / commit_track(str(tmp_path), record, {"score.mid": write_midi(take.score(track.plan))}).folder
    picture, other = tmp_path / "a.png", tmp_path / "b.png"
    code, out, _ = run(capsys, "inspect", str(folder), "--picture", str(picture), "--checkpoint", str(composer))
    assert code == 0 and "A2 B2 A2 A'2" in out and "5-6 as 1-2" in out
    assert "not known: the checkpoint carries no index" in " ".join(out.split()) and f"drawn into {picture}" in out
    code, out, _ = run(capsys, "inspect", str(folder), "--picture", str(other))
    assert code == 0 and "A2 B2 A2 A'2" in out and "5-6 as 1-2" not in out
    assert "What each bar repeats, and which note is of which part, is not known: it was made with" in out
    images = [np.asarray(Image.open(io.BytesIO(path.read_bytes()))) for path in (picture, other)]
    assert images[0].shape == images[1].shape and (images[0] != images[1]).any()


def test_a_track_without_a_plan_is_drawn_by_its_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = commit_track(
        str(tmp_path), make_record(content(checkpoint={"name": "base"})), {"score.mid": write_midi(song())}
    )
    picture = tmp_path / "a.png"
    code, out, _ = run(capsys, "inspect", str(tmp_path / made.folder), "--picture", str(picture))
    assert code == 0 and "the track was made without a plan" in " ".join(out.split())
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_is_of_tracks_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "inspect", str(tmp_path), "--picture", str(tmp_path / "a.png"))
    assert code == 2 and out == "" and "--picture is for the folder of a track" in err
