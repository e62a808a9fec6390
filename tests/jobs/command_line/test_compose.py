"""`tonemill compose`: an option for each field of an order, the same track as generate makes, and no Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from jobs.command_line.cli_compose import compose_command
from jobs.command_line.track_facts import shown_sections, summary_of
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.ideas import order_of_ideas
from jobs.generate.run import run_generate
from lstm_core import storage
from lstm_core.catalogue.folder import list_tracks
from lstm_core.catalogue.records import make_record
from lstm_core.foundation.errors import OrderError
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.orders.order import FILLED_FIELDS, TrackOrder, order_digest
from lstm_core.orders.order_file import read_order
from tests.jobs.command_line.test_main import run
from tests.jobs.generate.rows import contents
from tests.lstm_core.catalogue.made_up_forms import made_form
from tests.lstm_core.catalogue.made_up_records import content
from tests.lstm_core.orders.made_up_tracks import CAVE, FOREST, made_content, write_made
from tests.lstm_core.tiny import tiny_facts, tiny_model

ROOT = Path(__file__).resolve().parents[3]
NARROW = ["--pitch-low", "59", "--pitch-high", "65", "--temperature", "0.2", "--top-p", "0.5"]  # gates hold takes back
SHORT = ["--seconds", "6", "--tempo", "120", "--key", "C major"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, quantised_unseen(tiny_model(3)), tiny_facts())
    return str(folder)


def test_each_field_of_an_order_has_an_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys, "compose", "--help")
    assert code == 0 and "Usage: tonemill compose" in out
    missing = [field.name for field in fields(TrackOrder) if f"--{field.name.replace('_', '-')}" not in out]
    assert sorted(missing) == sorted(FILLED_FIELDS), "what reading fills nobody chooses"
    assert "--duration-s,--seconds" in out and "--bpm,--tempo" in out and "--no-loop" in out


def asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[TrackOrder]:
    """The orders that a command line asks for."""
    found: list[TrackOrder] = []
    monkeypatch.setattr("jobs.command_line.cli_compose._run", lambda order, *_, **__: found.extend(order.tracks))
    compose_command()(args=list(arguments), standalone_mode=False)
    return found


def test_options_are_the_fields_of_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["out/", "--style", "game", "--chords", "A: Am F; B: C G", "--form", "A B", "--seconds", "30"]
    more = ["--loop", "--roles", "-drums", "--instruments", "strings*2, bass", "--loudness=-14", "--top_p", "0.9"]
    (order,) = asked(monkeypatch, *words, *more, "--seed", "5")
    assert (order.name, order.style, order.duration_s, order.seed) == ("game-5", "game", 30.0, 5)
    assert order.chords == "A: Am F; B: C G" and order.instruments == ("strings*2", "bass")
    assert order.loop and not order.stems and order.loudness_lufs == -14.0 and order.top_p == 0.9
    orders = asked(monkeypatch, "out", "--takes", "3", "--seed", "8", "--name", "inn")
    assert [(order.name, order.seed) for order in orders] == [("inn-8", 8), ("inn-9", 9), ("inn-10", 10)]
    drawn = [asked(monkeypatch, "out")[0].seed for _ in range(4)]
    assert len(set(drawn)) > 1 and max(drawn) < 1_000_000


def test_two_ids_are_joined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    catalogue = write_made(tmp_path, made_content(FOREST, "Dm Dm C C"), made_content(CAVE, "F F G G"))
    (order,) = asked(monkeypatch, catalogue, "--bridge", FOREST, CAVE, "--bridge-bars", "1", "--seed", "3")
    assert order.bridge == f"{FOREST} > {CAVE}" and order.chords == "A: C C7 |"


def test_an_idea_is_the_row_of_an_order_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("name,duration_s,chords.A,form,loop,seed\ninn,32,Am F C G,A B,yes,7\n")
    given = {"name": "inn", "duration_s": "32", "chords": "A: Am F C G", "form": "A  B", "loop": True}
    (row,), (idea,) = read_order(tmp_path / "rows.csv").tracks, order_of_ideas(given, title="x", seed=7).tracks
    assert idea == row and order_digest(idea) == order_digest(row)
    with pytest.raises(OrderError, match="takes is 0, it must be 1 to 1000"):
        order_of_ideas(given, title="x", seed=7, num_takes=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0.5"], "duration_s is 0.5: even at 300 bpm"),
        (["--seconds", "long"], "duration_s is 'long', it must be a number"),
        (["--key", "H sharp"], '"H sharp" is no key'),
        (["--style", "polka"], "has not learnt the style 'polka'. It knows game, dance."),
        (["--chords", "A: Am"], "chords.A is given, but no form"),
        (["--durations", "5"], "No such option"),
        (["--takes", "0"], "takes is 0"),
        (["--soundfont", "/nowhere/x.sf2"], "no SoundFont at /nowhere/x.sf2"),
        (["--set", "arithmetics=bf16"], "unknown key arithmetics"),
        (["--primer", "/nowhere.mid"], "The primer cannot be read"),
        (["--melody", "/nowhere.mid"], "The melody cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_met_is_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoint: str, arguments: list[str], message: str
) -> None:
    catalogue = tmp_path / "ideas"
    code, out, err = run(capsys, "compose", str(catalogue), "--checkpoint", checkpoint, *arguments)
    assert code == 2 and out == "" and message in " ".join(err.split())
    assert len(err.splitlines()) <= 24 and "Traceback" not in err and not catalogue.exists()


def test_no_folder_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "compose", "--style", "game")
    assert code == 2 and out == "" and "Missing argument" in err


def test_what_is_interrupted_leaves_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while files were written: they stood there without a record."""
    write_bytes, written = storage.write_bytes, []

    def interrupted(uri: Any, data: bytes, **more: Any) -> Any:
        written.append(Path(str(uri)).name)
        if str(uri).endswith("score.mid"):
            raise KeyboardInterrupt
        return write_bytes(uri, data, **more)

    monkeypatch.setattr(storage, "write_bytes", interrupted)
    catalogue = tmp_path / "ideas"
    code, _, err = run(capsys, "compose", str(catalogue), "--checkpoint", checkpoint, *SHORT, "--seed", "3")
    assert code == 130 and "stopped" in err and written[-3:] == ["master.flac", "roll.png", "score.mid"]
    assert [path for path in (catalogue / "tracks").rglob("*") if path.is_file()] == []


def test_a_summary_tells_what_was_made() -> None:
    form = made_form("A B A", 2)
    gates = [{"name": "heard", "is_passed": True, "value": 1.0, "bound": ""}]
    given = {"form": form, "gates": gates, "longest_shared_run": 0, "nearest_piece": "p1", "nearest_similarity": 0.25}
    facts = dict(summary_of(make_record(content(**given)), "out/tracks/a1"))
    assert [(section.name, section.start_bar) for section in shown_sections(form)] == [("A", 0), ("B", 2)]
    assert (facts["chords A"], facts["chords B"]) == ("Am | F/A", "F/A | Dm7 G") and "form" in facts
    assert facts["instruments"].startswith("melody flute; harmony ") and facts["gates"] == "1 of 1 passed, attempt 2"
    assert facts["originality"] == (
        "shares fewer than 12 notes in a row with a training piece; nearest piece p1 (0.25 of 1)"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_the_same_order_gives_the_same_bytes_as_generate(tmp_path: Path, checkpoint: str) -> None:
    """Also where a gate holds takes back; and what composes imports neither Ray nor what else it has no use for."""
    ideas, catalogue = tmp_path / "ideas", tmp_path / "catalogue"
    words = [
        "compose",
        str(ideas),
        "--checkpoint",
        checkpoint,
        *SHORT,
        *NARROW,
        "--seed",
        "0",
        "--takes",
        "4",
        "--json",
    ]
    program = (
        "import sys\nfrom jobs.command_line.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as ended:\n    print(ended.code)\n"
        "print(sorted({'ray', 'music21', 'boto3', 'sklearn', 'matplotlib', 'torchaudio'} & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    *lines, code, modules = done.stdout.splitlines()
    assert (code, modules) == ("0", "[]"), done.stderr
    rows = [f"idea-{seed},6,120,C major,59,65,0.2,0.5,{seed}" for seed in range(4)]
    header = "name,duration_s,bpm,key,pitch_low,pitch_high,temperature,top_p,seed"
    (tmp_path / "order.csv").write_text("\n".join([header, *rows]) + "\n")
    result = run_generate(checkpoint, read_order(tmp_path / "order.csv"), str(catalogue), GenerateRecipe())
    assert len(result.records) == 4 and contents(ideas) == contents(catalogue)
    assert [json.loads(line)["track_id"] for line in lines] == [record.track_id for record in result.records]
    assert {record.attempt for record in result.records} == {0, 1, 2}, "gates held other takes back: choose other seeds"
    assert list_tracks(ideas, verify=True) == list_tracks(catalogue, verify=True)
    assert "idea-2" in (ideas / "index.html").read_text()
