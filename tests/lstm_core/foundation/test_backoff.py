"""Pauses double, differ from client to client, and end in time."""

from __future__ import annotations

import time

import pytest

from lstm_core.foundation.backoff import Backoff


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """All pauses; the clock stands still but for them."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + sum(pauses))
    return pauses


def test_pauses_double_up_to_the_longest(clock: list[float]) -> None:
    backoff = Backoff(first_s=0.5, longest_s=4.0)
    assert all(backoff.pause() for _ in range(40)) and backoff.num_attempts == 41
    for pause, most in zip(clock, [0.5, 1.0, 2.0, *[4.0] * 37], strict=True):
        assert 0.5 * most <= pause <= most
    assert backoff.spent_s == pytest.approx(sum(clock))


def test_no_attempt_begins_too_late(clock: list[float]) -> None:
    backoff = Backoff(first_s=1.0, longest_s=8.0)
    while backoff.pause(within_s=20.0):
        pass
    assert 20.0 - 8.0 < sum(clock) <= 20.0
    assert backoff.num_attempts == len(clock) + 1
    assert not Backoff(first_s=1.0, longest_s=8.0).pause(within_s=0.4)


def test_a_server_is_heeded_within_bounds(clock: list[float]) -> None:
    backoff = Backoff(first_s=0.25, longest_s=8.0)
    assert backoff.pause(requested_s=3.0) and backoff.pause(requested_s=600.0)
    assert clock == [3.0, 8.0]


def test_two_clients_do_not_come_at_once(clock: list[float]) -> None:
    for _ in range(20):
        Backoff(first_s=1.0, longest_s=8.0).pause()
    assert len(set(clock)) == 20 and max(clock) - min(clock) > 0.1


def test_it_sleeps() -> None:
    start = time.monotonic()
    assert Backoff(first_s=0.2, longest_s=0.2).pause()
    assert 0.1 <= time.monotonic() - start < 2.0
