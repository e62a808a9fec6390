"""Forms as texts, and how they are fitted to tracks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.representations.plan.events import (
    EXACT_CODE,
    FIRST_BACK,
    FIRST_CHORD,
    FIRST_RELATION,
    NEW_CODE,
    STREAMS,
    VARIED_CODE,
)
from lstm_core.representations.plan.forms import fitted_form, form_of_events, read_form


@st.composite
def forms(draw: st.DrawFn) -> np.ndarray:
    """Rows (bars back, code, section) of up to 40 bars."""
    rows = []
    for bar in range(draw(st.integers(1, 40))):
        back = draw(st.integers(0, min(bar, 8)))
        code = draw(st.sampled_from([EXACT_CODE, VARIED_CODE, 3, 27])) if back else NEW_CODE
        rows.append((back, code, draw(st.integers(0, 3))))
    return np.array(rows, dtype=np.int64)


def events_of(form: np.ndarray) -> np.ndarray:
    """The FORM events of a form, with an event of content after them that does not count."""
    events = np.zeros((len(form) + 1, len(STREAMS)), dtype=np.uint16)
    events[:-1, 0], events[:-1, 1], events[:-1, 2] = FIRST_BACK + form[:, 0], FIRST_RELATION + form[:, 1], form[:, 2]
    events[-1, 0] = FIRST_CHORD + 5
    return events


@given(forms())
def test_a_form_comes_back_from_its_text(form: np.ndarray) -> None:
    assert read_form(form_of_events(events_of(form))).tolist() == form.tolist()


def test_equal_bars_are_one_word() -> None:
    form = np.array([(0, 0, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0), (4, 1, 1), (4, 1, 0), (4, 2, 0)])
    assert form_of_events(events_of(form)) == "1,0,0,4 1,4,1,2 0,4,2,1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0,0", "not enough values"),
        ("1,0,0,0", "no stretch"),
        ("0,0,99,2", "no stretch"),
        ("1,1,1,2", "before the first"),
    ],
)
def test_what_is_no_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_form(text)


@given(forms(), st.integers(1, 120))
def test_a_form_fits_any_number_of_bars(form: np.ndarray, num_bars: int) -> None:
    fitted = fitted_form(form, num_bars)
    assert len(fitted) == num_bars and (fitted[:, 0] <= np.arange(num_bars)).all()
    assert fitted[: len(form)].tolist() == form[:num_bars].tolist()
    assert ((fitted[:, 0] == 0) == (fitted[:, 1] == NEW_CODE)).all()
    again = fitted[len(form) :]
    assert (again[:, 0] == len(form)).all() and np.isin(again[:, 1], (EXACT_CODE, VARIED_CODE)).all()
