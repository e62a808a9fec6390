"""The rule by which files are held out must never move: models would have seen what they are tested on."""

from __future__ import annotations

from lstm_core.transcriber_training.held_out import is_held_out


def test_names_that_are_held_out_and_names_that_are_not() -> None:
    names = ["bwv269.mxl", "bwv67.4.xml", "d_e1m1.mid", "d_map01.mid", "madrigal.3.3.mxl"]
    assert [is_held_out(name) for name in names] == [False, False, True, True, False]


def test_about_a_fifth_is_held_out() -> None:
    assert 0.17 < sum(is_held_out(f"{number}.mid") for number in range(5000)) / 5000 < 0.23
