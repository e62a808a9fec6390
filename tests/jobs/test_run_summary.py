"""What a run cost, against sums made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.run_summary import Nodes, PriceError, prices_of_environment, summarise, summary_lines, write_summary

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


def test_written_as_json_and_as_a_page(tmp_path: Path) -> None:
    summary = summarise(
        "prepare", "a<b", wall_s=10.0, cpu_s={"read": 5.0}, units={"pieces": 50}, retries=0, nodes=NODES, prices={}
    )
    page = Path(write_summary(str(tmp_path), summary))
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
