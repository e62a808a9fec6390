"""Old names of renamed fields: accepted with one warning, and refused beside the present name."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields

import pytest

from lstm_core.foundation.old_names import OLD_NAMES, OldNameError, with_present_names
from lstm_core.foundation.plain import PlainError, PlainReader
from lstm_core.model.checkpoint import BASE
from lstm_core.model.composer_checkpoint import LEVELS, load_composer
from lstm_core.orders.order import TrackOrder
from lstm_core.representations.representation import AugmentSettings
from lstm_core.training.recipe import TrainRecipe

SAVED = {"augment": {"untold_share": 0.3, "thinned_share": 0.1}, "steps": 4}  # of a run of an earlier version


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()


READER = PlainReader(old_names={"Inner": {"extent": "size"}})


def test_an_old_name_is_read_as_the_present_one_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = READER.read(Outer, {"inner": {"extent": 2}, "many": [{"size": 3}]})
    assert found == Outer(inner=Inner(size=2.0), many=(Inner(size=3.0),))
    assert [record.getMessage() for record in caplog.records] == [
        "extent is now called size; this version still accepts the old name"
    ]


def test_present_names_are_read_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert READER.read(Outer, {"inner": {"size": 2}}).inner.size == 2.0
    assert caplog.records == []


def test_both_names_together_are_refused_where_they_stand() -> None:
    with pytest.raises(PlainError) as raised:
        READER.read(Outer, {"many": [{"size": 1}, {"size": 1, "extent": 1}]})
    assert str(raised.value) == (
        "many[1]: extent and size are both given: extent is the old name of size. Leave extent out."
    )


def test_a_warning_is_given_once_for_all_that_share_what_was_reported(caplog: pytest.LogCaptureFixture) -> None:
    reported: set[str] = set()
    for _ in range(3):
        assert with_present_names(TrackOrder, {"bpm": 90, "room": "hall"}, reported=reported) == {
            "bpm": 90,
            "reverb": "hall",
        }
    assert reported == {"room"} and len(caplog.records) == 1
    with pytest.raises(OldNameError, match=r"room and reverb are both given.* Leave room out\."):
        with_present_names(TrackOrder, {"room": "hall", "reverb": "hall"})


def test_every_present_name_is_a_field_and_no_old_name_is() -> None:
    known = {cls.__name__: {item.name for item in fields(cls)} for cls in (TrackOrder, AugmentSettings)}
    for name, renamed in OLD_NAMES.items():
        if name in known:
            assert set(renamed.values()) <= known[name] and not renamed.keys() & known[name]


def test_recipes_of_earlier_versions_are_read(caplog: pytest.LogCaptureFixture) -> None:
    recipe = PlainReader().read(TrainRecipe, SAVED)
    assert recipe.augment == AugmentSettings(condition_dropout=0.3, thinned_share=0.1) and recipe.steps == 4
    base = PlainReader().read(TrainRecipe, load_composer(BASE).facts.recipe)
    assert base.representation == LEVELS["parts"]
    assert {record.getMessage()[:44] for record in caplog.records} == {"untold_share is now called condition_dropout"}
