"""What a run measured is stored once, whole at every moment, and never doubled by a resumed run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lstm_core import storage
from lstm_core.training import metrics
from lstm_core.training.metrics import SEGMENT_ROWS, MetricsLog, _in_order, read_metrics

NAMES = ("shift", "pitch")


def row(step: int, nll: float = 2.0) -> dict[str, Any]:
    return {
        "kind": "train",
        "step": step,
        "nll": nll,
        "nll_of_stream": [nll / 2, nll / 2],
        "learning_rate": 0.001,
        "gradient_norm": 1.0,
        "epoch": 0.1,
    }


def write_run(uri: str | Path, first: int, last: int, *, every: int = 100, nll: float = 2.0) -> None:
    """Rows of steps first + 1 to last, stored every so many steps, of a run that stood at `first`."""
    with MetricsLog(uri, first, NAMES) as log:
        for step in range(first + 1, last + 1):
            log.add(row(step, nll))
            if step % every == 0 or step == last:
                log.write()


def steps(uri: str | Path) -> list[int]:
    return [found["step"] for found in read_metrics(uri)]


def test_a_long_run_is_not_written_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows were rewritten at each state: 10 hours at a step per second came to 1.85 GB for a file of 12 MB."""
    written: list[int] = []
    write = storage.write_bytes
    monkeypatch.setattr(storage, "write_bytes", lambda uri, data: (written.append(len(data)), write(uri, data))[1])
    monkeypatch.setattr(metrics._EventFiles, "add", lambda self, rows: None)
    write_run(tmp_path, 0, 12_000)
    size = sum(len(json.dumps(found)) + 1 for found in read_metrics(tmp_path))
    assert steps(tmp_path) == list(range(1, 12_001))
    assert sum(written) < 5 * size  # before: 60 times
    assert max(written) <= (SEGMENT_ROWS + 1) * (size / 12_000 + 2)


def test_a_short_run_is_one_file(tmp_path: Path) -> None:
    write_run(tmp_path, 0, 60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl", "tensorboard"]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 60


@pytest.mark.parametrize("resumed_at", [1, SEGMENT_ROWS - 1, SEGMENT_ROWS, SEGMENT_ROWS + 1, 1_270, 1_700])
def test_rows_after_the_step_that_a_run_goes_on_from_are_gone(
    tmp_path: Path, resumed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics._EventFiles, "add", lambda self, rows: None)
    write_run(tmp_path, 0, 1_703)
    write_run(tmp_path, resumed_at, resumed_at + 700, nll=3.0)
    found = read_metrics(tmp_path)
    assert [r["step"] for r in found] == list(range(1, resumed_at + 701))
    assert [r["nll"] for r in found] == [2.0] * resumed_at + [3.0] * 700
    write_run(tmp_path, 0, 5, nll=4.0)  # started again, as a run whose states are lost
    assert [r["nll"] for r in read_metrics(tmp_path)] == [4.0] * 5
    assert not list((tmp_path / "metrics").glob("*"))


@pytest.mark.parametrize(("resumed_at", "last"), [(0, 1_203), (1_100, 1_800), (501, 1_600), (2, 40)])
def test_a_run_killed_between_two_writes_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed_at: int, last: int
) -> None:
    """Cut after each single write: all rows up to the step that was stored before are there, in order, once."""
    monkeypatch.setattr(metrics._EventFiles, "add", lambda self, rows: None)
    num_allowed, is_cut = 0, True
    while is_cut:
        run = tmp_path / str(num_allowed)
        write_run(run, 0, 1_203)
        is_cut = is_cut_after(num_allowed, run, resumed_at, last)
        found = steps(run)
        assert found[:resumed_at] == list(range(1, resumed_at + 1)) and found == sorted(set(found))
        write_run(run, resumed_at, last, nll=3.0)
        assert steps(run) == list(range(1, last + 1))
        num_allowed += 1
    assert num_allowed >= 4


def is_cut_after(num_allowed: int, run: Path, resumed_at: int, last: int) -> bool:
    """Goes on with a run that is killed once it has written and removed so many files; False when it ended before."""
    num_changes = 0

    def counted(change: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal num_changes
            num_changes += 1
            if num_changes > num_allowed:
                raise KeyboardInterrupt
            return change(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "write_bytes", counted(storage.write_bytes))
        patch.setattr(storage, "remove", counted(storage.remove))
        try:
            write_run(run, resumed_at, last, every=300, nll=3.0)
        except KeyboardInterrupt:
            return True
    return False


def test_a_store_gets_events_in_pieces_and_no_folder_is_left(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer was never closed and its folder in /tmp stayed; its one file was stored whole each time."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    uri = f"{s3_bucket}/runs/long"
    write_run(uri, 0, 1_250, every=250)
    assert steps(uri) == list(range(1, 1_251))
    assert list(tmp_path.glob("tonemill-tensorboard-*")) == []
    events = [file for file in storage.list_files(uri) if file.path.startswith("tensorboard/")]
    assert len(events) == 3
    assert shown(uri, tmp_path / "copy") == list(range(1, 1_251))
    write_run(uri, 1_000, 1_100, every=50, nll=3.0)
    assert shown(uri, tmp_path / "again") == list(range(1, 1_101))  # what came after is purged


def shown(uri: str, folder: Path) -> list[int]:
    """The steps that TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder.mkdir()
    for file in storage.list_files(storage.join(uri, "tensorboard")):
        (folder / file.path).write_bytes(storage.read_bytes(storage.join(uri, "tensorboard", file.path)))
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [event.step for event in found.Scalars("train/nll")]


def test_files_of_one_second_are_read_in_their_order() -> None:
    """The tenth file of a process came before the ninth, and what it purged was shown again."""
    names = [f"events.out.tfevents.1796047667.host.77.{number}" for number in (9, 10, 100)]
    assert sorted(map(_in_order, names)) == [_in_order(name) for name in names] and _in_order("a.b") == "a.b"
