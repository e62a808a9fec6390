"""The take of a record is made again note for note, or it is said why not; and what its picture shows."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lstm_core.analysis.picture.system import ROLE_COLOURS, SYSTEM_HEIGHT
from lstm_core.analysis.references import EXACT, NEW, NO_SOURCE, VARIED
from lstm_core.analysis.roles import BASS, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.catalogue.records import TrackRecord, make_record
from lstm_core.composing.players import load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.composer_checkpoint import LEVELS, write_composer
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.tracks.finishing import form_of_take
from lstm_core.tracks.gates import score_fingerprint
from lstm_core.tracks.replay import Replay, Replayer, ReplayError, replay
from lstm_core.tracks.track_picture import _as_analysis, draw_track, planned_roles, roles_by_instrument
from tests.lstm_core.catalogue.made_up_forms import made_form, made_plan
from tests.lstm_core.catalogue.made_up_records import content
from tests.lstm_core.composing.tiny_composer import same_notes, tiny_checkpoint

ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C major", form="A:2 B:2 A:2 A':2", style="game", seed=4)


def saved_composer(folder: Path) -> Path:
    """The tiny composer as a checkpoint on disk."""
    made = tiny_checkpoint()
    levels = {"plan": made.planner, "parts": made.arranger}
    fingerprints = {
        level: save_checkpoint(folder / level, quantised_unseen(levels[level].model), levels[level].facts)
        for level in LEVELS
    }
    write_composer(folder, fingerprints)
    return folder


def made_record(checkpoint: Path, *, attempt: int = 1) -> tuple[TrackRecord, PlannedTrack, Take]:
    """A record such as a catalogue keeps, and the track and take that it is of."""
    track = admit(ORDER)
    take = next(open_player(load_playable(checkpoint)).play([(track, attempt)]))
    given = {
        "order": order_fields(ORDER),
        "attempt": attempt,
        "arithmetic": "int8",
        "checkpoint": {"name": "tiny", "fingerprint": load_playable(checkpoint).fingerprint},
        "score_fingerprint": score_fingerprint(take.score(track.plan)),
        "form": form_of_take(track, take),
        "num_bars": track.plan.num_bars,
    }
    return make_record(content(**given)), track, take


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_composer(tmp_path_factory.mktemp("composer"))


def test_a_take_comes_again_note_for_note(composer: Path) -> None:
    record, _, take = made_record(composer)
    found = replay(TrackRecord.from_json(record.to_json()), composer)
    assert same_notes(found.take.notes, take.notes) and found.track.order == ORDER
    assert found.take.plan is not None and take.plan is not None
    assert (found.take.plan.source == take.plan.source).all()
    assert (found.take.plan.relation[4:6] == EXACT).all() and found.take.plan.source[4:6].tolist() == [0, 1]


def test_why_a_take_does_not_come_again(composer: Path) -> None:
    record, _, _ = made_record(composer)
    with pytest.raises(ReplayError, match=r"made with the checkpoint tiny .*, base is .* Give the other one"):
        replay(record)
    with pytest.raises(ReplayError, match="other notes come of its order here"):
        replay(replace(record, attempt=0), composer)
    for field in ("primer", "melody"):
        with pytest.raises(ReplayError, match=f"its order has a {field}"):
            replay(replace(record, order={**record.order, f"{field}_sha256": "ab"}), composer)
    with pytest.raises(ReplayError, match='none of this version: An order has no field "tempi"'):
        replay(replace(record, order={**record.order, "tempi": 2}), composer)


def test_a_picture_shows_the_plan() -> None:
    plan, form = made_plan("A B A A'", 2), made_form("A B A A'", 2)
    programs = plan.programs.tolist()
    rows = [(bar * 96, 48, programs[i], 48 + 5 * i, 90) for bar in range(8) for i in range(5)]
    notes = make_notes(np.array(rows))
    notes["part"] = [programs.index(program) for program in notes["program"]]
    score, roles = Score(notes=notes), planned_roles(notes, plan)
    track = admit(TrackOrder(duration_s=16.0, bpm=120.0, form="A:2 B:2 A:2 A':2", loop=True))
    shown = _as_analysis(score, form, roles, plan)
    assert [section.name for section in shown.sections] == ["A", "B", "A", "A'"]
    assert shown.relation.tolist() == [NEW] * 4 + [EXACT] * 2 + [VARIED] * 2
    assert shown.source_bar.tolist() == [NO_SOURCE] * 4 + [0, 1, 0, 1] and shown.barlines[-1] == 8 * 96
    assert (shown.chord_root[:4].tolist(), shown.chord_bass[2]) == ([9, 9, 5, 5], 9)
    made = Replay(track=track, take=Take(notes=notes, plan=plan))
    with_plan, without = draw_track(score, form, roles, made), draw_track(score, form, roles)
    assert with_plan == draw_track(score, form, roles, made) and with_plan != without
    image = np.asarray(Image.open(io.BytesIO(with_plan)))[:SYSTEM_HEIGHT]
    colours = [bytes.fromhex(ROLE_COLOURS[role][1:]) for role in (MELODY, BASS, DRUM, HARMONY, FIGURE)]
    assert all((image == tuple(colour)).all(axis=2).any() for colour in colours)


def test_roles_follow_from_instruments_where_parts_are_unknown() -> None:
    form = made_form("A", 2)  # flute, bass, drums, strings, guitar
    rows = [(0, 24, program, 60, 90) for program in (73, 33, DRUMS, 48, 24, 100)]
    notes = make_notes(np.array(rows))
    found = dict(zip(notes["program"].tolist(), roles_by_instrument(notes, form).tolist(), strict=True))
    assert found == {73: MELODY, 33: BASS, DRUMS: DRUM, 48: HARMONY, 24: FIGURE, 100: HARMONY}


def test_players_of_whom_nobody_has_the_melody_are_refused_when_the_track_is_read(
    composer: Path, tmp_path: Path
) -> None:
    """They were refused by the engine, as a crash of a worker."""
    record, _, take = made_record(composer)
    assert take.plan is not None and MELODY in take.plan.roles
    folder = tmp_path / "tracks" / record.track_id
    folder.mkdir(parents=True)
    (folder / "track.json").write_bytes(record.to_json())
    asked = {"from_track": record.track_id, "from_notes": "n", "from_seed": ORDER.seed}
    track = admit(replace(ORDER, **asked, form="", instruments=("drums",)))
    replayer = Replayer(load_playable(composer), str(tmp_path))
    with pytest.raises(OrderError, match="instruments are drums alone"):
        replayer.with_source(track)
    assert replayer.with_source(admit(replace(ORDER, **asked, form="", instruments=("flute",)))).source is not None
