"""What a run took and cost, against sums made by hand and against the clock."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from jobs.generate.run import GenerateRecipe, run_generate
from jobs.prepare.run import run_prepare
from jobs.runtime.effort import Effort, EffortMeter
from jobs.runtime.summary import Nodes, PriceError, prices_of_environment, summarise, summary_lines, write_summary
from jobs.train.run import run_train
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.reading import IsolatedReader
from lstm_core.orders.order_file import expand_order
from lstm_core.storage.retries import add_retry
from lstm_core.training.recipe import TrainRecipe

NODES = Nodes(by_kind={"head": 1, "cpu": 4, "gpu": 2}, num_cores=40)
PRICES = {"currency": "USD", "head": 0.2, "cpu": 0.1, "gpu": 0.5}


def test_cost_is_node_hours_by_price() -> None:
    """A head, 4 x 0.1 and 2 x 0.5 are 1.6 an hour; half an hour for 400 tracks of a minute."""
    units = {"tracks": 400, "audio_s": 24_000.0, "failures": 2}
    summary = summarise(
        "generate",
        "nightly",
        wall_s=1800.0,
        cpu_s={"engine": 18_000.0, "synth": 36_000.0},
        units=units,
        retries=7,
        nodes=NODES,
        prices=PRICES,
    )
    assert summary.cost["total"] == pytest.approx(0.8)
    assert summary.cost["per_track"] == pytest.approx(0.002)
    assert summary.cost["per_audio_hour"] == pytest.approx(0.12)
    assert summary.utilisation == pytest.approx(54_000 / (1800 * 40))
    assert summary.rates()["tracks_per_s"] == pytest.approx(400 / 1800)
    assert summary_lines(summary) == [
        "generate nightly: 400 tracks, 24,000 audio_s, 2 failures in 1,800 s, 75% of the cores",
        "cost: total 0.800000 USD, per track 0.002000 USD, per audio hour 0.120000 USD",
    ]


def test_a_million_events_have_their_price() -> None:
    """Half an hour of two GPU nodes is 0.5, for five million events."""
    units = {"steps": 1000, "events": 5_000_000}
    nodes = Nodes(by_kind={"gpu": 2}, num_cores=8)
    summary = summarise(
        "train", "base", wall_s=1800.0, cpu_s={"train": 9_000.0}, units=units, retries=2, nodes=nodes, prices=PRICES
    )
    assert summary.cost == {"currency": "USD", "total": 0.5, "per_million_events": pytest.approx(0.1)}
    assert summary_lines(summary) == [
        "train base: 1,000 steps, 5,000,000 events in 1,800 s, 62% of the cores",
        "cost: total 0.500000 USD, per million events 0.100000 USD",
    ]
    assert summary_lines(None) == []


def test_effort_is_processor_time_and_retries() -> None:
    """Work counts, sleep does not, and what was reported once is not reported again."""
    meter = EffortMeter(time.process_time)
    end_s = time.process_time() + 0.2
    while time.process_time() < end_s:
        pass
    time.sleep(0.3)
    add_retry()
    first, second = meter.spent(), meter.spent()
    assert first.cpu_s == pytest.approx(0.2, abs=0.05) and first.retries == 1
    assert second.cpu_s < 0.05 and second.retries == 0
    assert Effort(cpu_s=1.5, retries=1) + Effort(cpu_s=2.0, retries=3) == Effort(cpu_s=3.5, retries=4)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere only what has ended is known")
def test_effort_counts_processes_while_they_live_and_after_it() -> None:
    """The process that reads scores works for a part: its seconds are those of the part."""
    tune = b"X:1\nM:4/4\nL:1/4\nK:C\n" + b"CDEF|GABc|" * 40 + b"\n"
    own, all_ = EffortMeter(time.process_time), EffortMeter()
    with IsolatedReader() as reader:
        (scores,) = reader.read_many([(tune, ".abc")])
        assert not isinstance(scores, ScoreError)
        alive_s = all_.spent().cpu_s - own.spent().cpu_s
    ended_s = all_.spent().cpu_s - own.spent().cpu_s
    assert alive_s > 0.2  # to import what reads notation takes more
    assert abs(ended_s) < 0.2  # nothing is counted twice, nothing is taken back


def test_written_as_json_and_as_a_page(tmp_path: Path) -> None:
    summary = summarise(
        "prepare", "a<b", wall_s=10.0, cpu_s={"read": 5.0}, units={"pieces": 50}, retries=0, nodes=NODES, prices={}
    )
    page = Path(write_summary(str(tmp_path), summary))
    assert page == tmp_path / "summaries" / "a<b.prepare.html"
    assert "prepare a&lt;b" in page.read_text() and "cost" not in page.read_text()
    content = json.loads(page.with_suffix(".json").read_text())
    assert content["rates"] == {"pieces_per_s": 5.0} and content["units"] == {"pieces": 50} and content["cost"] == {}


def test_prices_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TONEMILL_PRICES", raising=False)
    assert prices_of_environment() == {}
    monkeypatch.setenv("TONEMILL_PRICES", json.dumps(PRICES))
    assert prices_of_environment() == PRICES
    for wrong in ("{", "[1]", '{"gpu": "much"}', '{"cpu": -1}'):
        monkeypatch.setenv("TONEMILL_PRICES", wrong)
        with pytest.raises(PriceError, match="TONEMILL_PRICES must hold"):
            prices_of_environment()


def test_wrong_prices_are_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONEMILL_PRICES", '{"cpu": -1}')
    order = expand_order({"count": 1}, default_name="one")
    for job in (
        lambda: run_prepare(str(tmp_path), str(tmp_path / "blocks")),
        lambda: run_train(str(tmp_path), str(tmp_path / "run"), TrainRecipe()),
        lambda: run_generate("base", order, str(tmp_path / "catalogue"), GenerateRecipe()),
    ):
        with pytest.raises(PriceError):
            job()
    assert list(tmp_path.iterdir()) == []
