"""Random numbers against the published vectors, draws against the distribution that they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.engine import sampling
from lstm_core.engine.sampling import DEPARTURE_PERCENT, SCRATCH_ROWS, philox, random_word
from lstm_core.foundation.fixed_point import ALL_SHARES, LOGIT_BITS, power_table, share, sharpness


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, -1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter: tuple[int, ...], key: int, words: tuple[int, ...]) -> None:
    """The vectors for philox4x32-10 that come with Random123."""
    assert tuple(int(word) for word in philox(*counter, key)) == words


NOTHING = np.zeros(131, dtype=np.uint8)  # what is offered to be repeated
SCRATCH = np.zeros((SCRATCH_ROWS, 131), dtype=np.int64)
DEPARTURE = DEPARTURE_PERCENT / 100


def draw(
    logits: np.ndarray, allowed: np.ndarray, offered: np.ndarray, temperature: float, top_p: float, number: float
) -> int:
    """A value for logits in nats and a number in [0, 1)."""
    in_units = np.round(logits.astype(float) * (1 << LOGIT_BITS)).astype(np.int32)
    return sampling.draw(in_units, allowed, offered, sharpness(temperature), share(top_p), int(number * 2**32), SCRATCH)


def uniform(seed: int, event: int, stream: int) -> float:
    return random_word(seed, event, stream) / 2**32


def test_uniform_numbers_are_flat_and_belong_to_their_place() -> None:
    numbers = np.array([[uniform(9, event, stream) for stream in range(5)] for event in range(4000)])
    assert numbers.min() >= 0.0 and numbers.max() < 1.0
    counts = np.histogram(numbers, bins=20, range=(0.0, 1.0))[0]
    assert np.square(counts - 1000).sum() / 1000 < 43.8  # chi-squared of 19 degrees, one in a thousand
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.05
    assert len(np.unique(numbers)) > 19_990
    assert uniform(9, 17, 3) == numbers[17, 3] != uniform(10, 17, 3)


def nucleus(logits: np.ndarray, allowed: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """The distribution that is to be drawn from, found by sorting."""
    shares = np.where(allowed > 0, np.exp((logits.astype(float) - logits.max()) / temperature), 0.0)
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    num_kept = int(np.searchsorted(np.cumsum(shares[order]), top_p - 1e-12)) + 1
    kept = np.zeros_like(shares)
    kept[order[:num_kept]] = shares[order[:num_kept]]
    return kept / kept.sum()


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_values_are_drawn_as_often_as_they_should(spread: float, top_p: float, temperature: float) -> None:
    random = np.random.default_rng(int(spread * 10))
    logits = np.round(random.normal(size=40) * spread * (1 << LOGIT_BITS)) / (1 << LOGIT_BITS)
    allowed = (random.random(40) < 0.8).astype(np.uint8)
    expected = nucleus(logits, allowed, temperature, top_p)
    num_draws = 20_000
    numbers = (np.arange(num_draws) + 0.5) / num_draws  # every share of [0, 1) alike: no chance in this test
    drawn = np.array([draw(logits, allowed, NOTHING, temperature, top_p, number) for number in numbers])
    shares = np.bincount(drawn, minlength=40) / num_draws
    of_units = 2.0**-LOGIT_BITS / 2  # exponents are whole numbers of such a unit
    assert (np.abs(shares - expected) <= 1.5 / num_draws + of_units * expected).all()
    assert not shares[expected == 0].any()


def test_what_is_forbidden_is_never_drawn() -> None:
    logits = np.array([50.0, 1.0, 0.0, 40.0], dtype=np.float32)
    allowed = np.array([0, 1, 1, 0], dtype=np.uint8)
    for number in (0.0, 0.3, 0.999999, 1.0 - 2.0**-32):
        assert draw(logits, allowed, NOTHING, 1.0, 1.0, number) in (1, 2)
        assert draw(logits, allowed, NOTHING, 1.0, 0.05, number) == 1
    assert draw(logits, np.zeros(4, dtype=np.uint8), NOTHING, 1.0, 1.0, 0.5) == -1


def test_of_equal_values_at_the_border_the_lowest_are_kept() -> None:
    logits, allowed = np.zeros(10, dtype=np.float32), np.ones(10, dtype=np.uint8)
    numbers = np.linspace(0, 0.9999, 400)
    for top_p, kept in ((0.25, {0, 1, 2}), (0.3, {0, 1, 2}), (0.31, {0, 1, 2, 3}), (0.05, {0})):
        assert {draw(logits, allowed, NOTHING, 1.0, top_p, number) for number in numbers} == kept
    logits[7] = 3.0
    assert {draw(logits, allowed, NOTHING, 1.0, 0.75, number) for number in numbers} == {0, 1, 7}


def test_whether_to_repeat_is_drawn_before_what_to_play_instead() -> None:
    """A departure of 3 %, all outside the nucleus of the whole, keeps its 3 %, in the best values that depart."""
    shares = np.array([0.97, 0.02, 0.0096, 0.0004])
    logits, allowed = np.log(shares).astype(np.float32), np.ones(4, dtype=np.uint8)
    offered = np.array([1, 0, 0, 0], dtype=np.uint8)
    numbers = (np.arange(20_000) + 0.5) / 20_000
    drawn = np.array([draw(logits, allowed, offered, 1.0, 0.95, number) for number in numbers])
    found = np.bincount(drawn, minlength=4) / len(numbers)
    assert found == pytest.approx([0.97, 0.03 * 0.02 / 0.0296, 0.03 * 0.0096 / 0.0296, 0.0], abs=2e-4)
    assert {draw(logits, allowed, NOTHING, 1.0, 0.95, number) for number in numbers} == {0}


def test_a_departure_that_is_too_unlikely_is_cut_off_and_so_is_a_repeat() -> None:
    numbers, allowed = np.linspace(0, 0.9999, 5_000), np.ones(3, dtype=np.uint8)
    offered = np.array([1, 0, 0], dtype=np.uint8)
    for most, kept in ((1 - 0.9 * DEPARTURE * 0.05, {0}), (1 - 1.1 * DEPARTURE * 0.05, {0, 1}), (0.04, {1})):
        logits = np.log(np.array([most, 0.99 * (1 - most), 0.01 * (1 - most)])).astype(np.float32)
        assert {draw(logits, allowed, offered, 1.0, 0.95, number) for number in numbers} == kept
    logits = np.log(np.array([0.9999, 0.0001, 1e-9])).astype(np.float32)
    assert draw(logits, allowed, offered, 1.0, 1.0, 0.99995) == 1  # with top_p 1 nothing is cut off


def test_no_temperature_is_the_most_probable_value() -> None:
    random = np.random.default_rng(3)
    allowed = np.ones(131, dtype=np.uint8)
    for _ in range(50):
        logits = random.normal(size=131).astype(np.float32)
        assert draw(logits, allowed, NOTHING, 1e-4, 1.0, float(random.random())) == int(np.argmax(logits))


def drawn_by_definition(
    logits: list[int], allowed: list[int], offered: list[int], sharp: int, top_p: int, word: int
) -> int:
    """What `draw` draws, in Python's integers and with a sort."""
    values = [v for v in range(len(logits)) if allowed[v]]
    if len(values) < 2:
        return values[0] if values else -1
    highest = max(logits[v] for v in values)
    powers = {v: ((highest - logits[v]) * sharp + (ALL_SHARES >> 1)) // ALL_SHARES for v in values}
    table = [int(power) for power in power_table()]
    weights = {v: table[power % len(table)] >> (power // len(table)) for v, power in powers.items()}

    def nucleus_of(of: dict[int, int]) -> dict[int, int]:
        total, kept = sum(of.values()), dict[int, int]()
        wanted = max(total * top_p // ALL_SHARES, 1)
        for v in sorted((v for v in of if of[v] > 0), key=lambda v: (powers[v], v)):
            if sum(kept.values()) >= wanted:
                break
            kept[v] = of[v]
        return kept

    if top_p < ALL_SHARES:
        total = sum(weights.values())
        repeating = {v: weight for v, weight in weights.items() if offered[v]}
        departing = {v: weight for v, weight in weights.items() if not offered[v]}
        outside = total - total * top_p // ALL_SHARES
        if sum(repeating.values()) < outside:
            weights = nucleus_of(weights)
        elif sum(departing.values()) < outside * DEPARTURE_PERCENT // 100:
            weights = repeating
        else:
            kept = nucleus_of(departing)
            scale = sum(departing.values()) * ALL_SHARES // max(sum(kept.values()), 1)
            weights = repeating | {v: weight * scale // ALL_SHARES for v, weight in kept.items()}
    wanted = sum(weights.values()) * word // 2**32
    last = -1
    for v in sorted(weights):
        if weights[v] > 0:
            last = v
            wanted -= weights[v]
            if wanted < 0:
                return v
    return last


@pytest.mark.parametrize("spread", [0, 300, 4_000, 1 << 24])
def test_draws_are_those_of_the_definition(spread: int) -> None:
    """Also with logits at their bounds, equal logits, and random words at both ends."""
    random = np.random.default_rng(spread)
    scratch = np.zeros((SCRATCH_ROWS, 600), dtype=np.int64)
    drawn = set()
    for number in range(300):
        size = int(random.integers(1, 600))
        logits = random.integers(-spread, spread + 1, size).astype(np.int32)
        allowed = (random.random(size) < random.choice([0.05, 0.5, 1.0])).astype(np.uint8)
        offered = (random.random(size) < random.choice([0.0, 0.1, 0.9])).astype(np.uint8)
        sharp = sharpness(float(random.choice([0.05, 0.7, 1.0, 3.0])))
        top_p = share(float(random.choice([0.05, 0.5, 0.95, 0.999, 1.0])))
        word = [0, 2**32 - 1, int(random.integers(2**32))][min(number % 8, 2)]
        found = sampling.draw(logits, allowed, offered, sharp, top_p, word, scratch)
        assert found == drawn_by_definition(logits.tolist(), allowed.tolist(), offered.tolist(), sharp, top_p, word), (
            f"draw number {number}"
        )
        drawn.add(found)
    assert len(drawn) > 50
