"""How similar generated and human pieces are: overlapped areas of seven measures.

    python -m benchmarks.music BLOCKS --checkpoint base

Takes 200 human pieces, first the validation pieces of BLOCKS and, where those are too few, training pieces in the same
proportions of styles (how many is printed). For each of them one piece is composed of the same style, mode, tempo,
instruments, meter and number of bars, and drawn as an order draws by default (temperature and top-p of TrackOrder);
both can be set. A composer keeps to the scale of the key, as in every order that names one. A model of notes is given
density and families of instruments too, and no mask but grammar.
Pieces longer than 64 bars are cut there on both sides. Each measure of lstm_core.notes.musicality gives the
overlapped area of the two distributions; `music_overlap` is the mean of the areas.

The ceiling is the same between two halves of the human pieces, each with half of every style, averaged over twenty
divisions. As an area over all pieces can hide that styles are confused, `music_overlap_in_style` is the mean over
each style with enough pieces.

`music_nearest_training` asks whether the model reproduces its corpus: for each generated piece the Jaccard index of its
shingles (lstm_core.blocks.duplicates) with the training piece most like it; of all these the highest, and the 95th
percentile, beside the same of the human validation pieces. From SplitSettings.near_duplicate on two
pieces count as the same music.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import print_metric
from jobs.demo.bundled_scores import SOURCES, build_corpus
from lstm_core.blocks.assembly import SplitSettings
from lstm_core.blocks.duplicates import shingles
from lstm_core.blocks.feature_blocks import BlockSet, open_blocks
from lstm_core.composing.composer import Composer
from lstm_core.composing.players import Playable, load_playable
from lstm_core.engine.engine import Engine
from lstm_core.engine.note_chooser import Request
from lstm_core.model.checkpoint import Checkpoint
from lstm_core.model.composer_checkpoint import ComposerCheckpoint
from lstm_core.notes.keys import home_shift
from lstm_core.notes.musicality import MEASURES, Musicality, first_bars, mean_overlap, musicality, overlaps
from lstm_core.notes.score import Score
from lstm_core.orders.constraints import GRAMMAR, make_rules
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.conditions import transposed_key
from lstm_core.representations.note_events import decode_events
from lstm_core.representations.notes import conditions_of, programs_of
from lstm_core.representations.plan.layout import MAX_PARTS
from lstm_core.representations.representation import Piece

NUM_PIECES = 200
MIN_BARS, MAX_BARS = 8, 64
NUM_DIVISIONS = 20
MIN_STYLE_PIECES = 16  # of a style that is reported separately
DEFAULT_BLOCKS = Path("build/benchmarks/blocks")


@dataclass(frozen=True, kw_only=True)
class Human:
    """The pieces that generated ones are compared with."""

    pieces: list[Piece]
    num_valid: int  # the rest are training pieces


def choose_human(blocks: BlockSet, num_pieces: int, seed: int) -> Human:
    """At most `num_pieces` pieces of one meter and MIN_BARS bars or more, of valid first."""
    random = np.random.Generator(np.random.Philox(key=[seed, 1]))
    candidates = {split: _candidates(blocks, split) for split in ("valid", "train")}
    order = random.permutation(len(candidates["valid"]))[:num_pieces]
    chosen = [candidates["valid"][i] for i in sorted(order.tolist())]
    num_valid = len(chosen)
    more: list[Piece] = []
    for style, count in sorted(Counter(piece.style for piece in chosen).items()):
        wanted = math.ceil(num_pieces * count / num_valid) - count
        same = [piece for piece in candidates["train"] if piece.style == style]
        more += [same[i] for i in random.permutation(len(same))[:wanted].tolist()]
    order = random.permutation(len(more))[: num_pieces - num_valid]
    return Human(pieces=chosen + [more[i] for i in sorted(order.tolist())], num_valid=num_valid)


def generate_like(
    pieces: Sequence[Piece], checkpoint: Playable, *, seed: int, temperature: float = 1.0, top_p: float = 1.0
) -> list[Score]:
    """One generated piece for each human one."""
    if isinstance(checkpoint, ComposerCheckpoint):
        tracks = [_track(piece, checkpoint, seed + i, temperature, top_p) for i, piece in enumerate(pieces)]
        takes = {take.number: take for take in Composer(checkpoint).play([(track, 0) for track in tracks])}
        return [takes[i].score(track.plan) for i, track in enumerate(tracks)]
    return _notes_like(pieces, checkpoint, seed=seed, temperature=temperature, top_p=top_p)


def _notes_like(
    pieces: Sequence[Piece], checkpoint: Checkpoint, *, seed: int, temperature: float, top_p: float
) -> list[Score]:
    requests = [
        _request(piece, checkpoint.facts.home_key, seed + i, temperature, top_p) for i, piece in enumerate(pieces)
    ]
    events = {generated.number: generated.events for generated in Engine(checkpoint).generate(requests)}
    return [decode_events(events[i], meters=(request.meter,)) for i, request in enumerate(requests)]


def human_score(piece: Piece) -> Score:
    """A human piece, cut at MAX_BARS."""
    return first_bars(decode_events(piece.events, meters=piece.meters), MAX_BARS)


def nearest_training(scores: Sequence[Score], blocks: BlockSet) -> list[float]:
    """Jaccard index of each score with the training piece most like it."""
    pieces = (blocks.piece("train", number) for number in range(blocks.num_pieces("train")))
    training = [shingles(human_score(piece).notes) for piece in pieces]
    owners = np.repeat(np.arange(len(training)), [len(one) for one in training])
    order = np.argsort(values := np.concatenate(training), kind="stable")
    values, owners = values[order], owners[order]
    sizes = np.array([len(one) for one in training])
    found = []
    for score in scores:
        ours = shingles(score.notes)
        starts, stops = np.searchsorted(values, ours, "left"), np.searchsorted(values, ours, "right")
        shared = np.concatenate([owners[start:stop] for start, stop in zip(starts, stops, strict=True)])
        common = np.bincount(shared, minlength=len(training))
        found.append(float((common / (sizes + len(ours) - common)).max()))
    return found


def ceiling(measures: Sequence[Musicality], styles: Sequence[str], seed: int) -> dict[str, float]:
    """Overlapped area of each measure between two halves of the pieces, averaged over NUM_DIVISIONS divisions."""
    random = np.random.Generator(np.random.Philox(key=[seed, 2]))
    areas = []
    for _ in range(NUM_DIVISIONS):
        order = sorted(random.permutation(len(measures)).tolist(), key=lambda i: styles[i])  # stable: shuffled in style
        halves = [[measures[i] for i in order[start::2]] for start in (0, 1)]
        areas.append(overlaps(halves[0], halves[1]))
    return {name: float(np.mean([area[name] for area in areas])) for name in MEASURES}


def _candidates(blocks: BlockSet, split: str) -> list[Piece]:
    pieces = (blocks.piece(split, number) for number in range(blocks.num_pieces(split)))
    return [piece for piece in pieces if len(piece.meters) == 1 and piece.num_bars >= MIN_BARS]


def _plan(piece: Piece, key: int | None, programs: Sequence[int] = ()) -> TrackPlan:
    return TrackPlan(
        num_samples=1,
        meter=piece.meters[0],
        bpm=piece.tempo_bpm,
        num_bars=min(piece.num_bars, MAX_BARS),
        final_bar=None,
        final_hold_ticks=0,
        key=key,
        programs=tuple((program,) for program in programs),
    )


def _track(piece: Piece, checkpoint: ComposerCheckpoint, seed: int, temperature: float, top_p: float) -> PlannedTrack:
    """A track like a piece. A style that the checkpoint does not know is left open."""
    style = piece.style if piece.style in checkpoint.facts.styles else ""
    order = TrackOrder(style=style, seed=seed, temperature=temperature, top_p=top_p)
    programs = programs_of(piece.events)[:MAX_PARTS]
    return PlannedTrack(order=order, plan=_plan(piece, conditions_of(piece).key, programs))


def _request(piece: Piece, home_key: bool, seed: int, temperature: float, top_p: float) -> Request:
    plan = _plan(piece, None)
    rules = make_rules(TrackOrder(seed=seed), plan, constraints=GRAMMAR)
    rules = rules._replace(
        temperature=np.full_like(rules.temperature, temperature), top_p=np.full_like(rules.top_p, top_p)
    )
    conditions = conditions_of(piece)
    shift = home_shift(conditions.key) if home_key else 0
    key = None if conditions.key is None else transposed_key(conditions.key, shift)
    conditions = replace(conditions, key=key)
    return Request(rules=rules, conditions=conditions, meter=plan.meter, num_bars=plan.num_bars, shift=shift)


def _report(
    blocks: BlockSet, human: Human, checkpoint: Playable, *, seed: int, temperature: float, top_p: float
) -> None:
    start = time.perf_counter()
    scores = generate_like(human.pieces, checkpoint, seed=seed, temperature=temperature, top_p=top_p)
    seconds = time.perf_counter() - start
    generated = [musicality(score) if len(score.notes) else None for score in scores]
    styles = [piece.style for piece in human.pieces]
    measured = [musicality(human_score(piece)) for piece in human.pieces]
    of_halves = ceiling(measured, styles, seed)
    made = [found for found in generated if found is not None]
    areas = overlaps(measured, made)
    for name in MEASURES:
        medians = [float(np.nanmedian([getattr(m, name) for m in side])) for side in (measured, made)]
        print_metric(
            f"music_overlap_{name}",
            areas[name],
            "area",
            against={"human_ceiling": of_halves[name]},
            human_median=round(medians[0], 4),
            generated_median=round(medians[1], 4),
        )
    in_style = {
        style: mean_overlap(overlaps(*_of_style(style, styles, measured, generated)))
        for style, count in sorted(Counter(styles).items())
        if count >= MIN_STYLE_PIECES
    }
    if in_style:
        by_style = {style: round(value, 4) for style, value in in_style.items()}
        print_metric("music_overlap_in_style", float(np.mean(list(in_style.values()))), "area", by_style=by_style)
    nearest = nearest_training([score for score in scores if len(score.notes)], blocks)
    of_valid = nearest_training([human_score(piece) for piece in human.pieces[: human.num_valid]], blocks)
    print_metric(
        "music_nearest_training",
        max(nearest),
        "jaccard",
        against={"near_duplicate": SplitSettings().near_duplicate, "human_valid": max(of_valid)},
        percentile_95=round(float(np.percentile(nearest, 95)), 4),
        human_percentile_95=round(float(np.percentile(of_valid, 95)), 4),
        num_near_duplicates=sum(value >= SplitSettings().near_duplicate for value in nearest),
    )
    print_metric(
        "music_overlap",
        mean_overlap(areas),
        "area",
        against={"human_ceiling": mean_overlap(of_halves), "target": 0.75},
        num_human=len(measured),
        num_valid=human.num_valid,
        num_generated=len(made),
        temperature=temperature,
        top_p=top_p,
        seconds=round(seconds, 1),
        checkpoint=f"{checkpoint.facts.name} {checkpoint.fingerprint[:12]}",
    )


def _of_style(
    style: str, styles: Sequence[str], measured: Sequence[Musicality], generated: Sequence[Musicality | None]
) -> tuple[list[Musicality], list[Musicality]]:
    """The human and the generated pieces of one style."""
    numbers = [number for number, name in enumerate(styles) if name == style]
    return [measured[n] for n in numbers], [found for n in numbers if (found := generated[n]) is not None]


def _default_blocks() -> Path:
    """Blocks of all bundled scores, made here once. The base checkpoint learnt from more music."""
    from jobs.prepare.run import run_prepare

    corpus = DEFAULT_BLOCKS.parent / "corpus"
    build_corpus(corpus, dict.fromkeys(SOURCES, 10_000))
    run_prepare(str(corpus), str(DEFAULT_BLOCKS))
    return DEFAULT_BLOCKS


def main(arguments: list[str] | None = None) -> None:
    """Prints the overlap of each measure, then the mean."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.music", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("blocks", nargs="?", help="feature blocks; without them those of all bundled scores are made")
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--pieces", type=int, default=NUM_PIECES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=TrackOrder().temperature)
    parser.add_argument("--top-p", type=float, default=TrackOrder().top_p)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    checkpoint = load_playable(options.checkpoint)
    blocks = open_blocks(options.blocks or _default_blocks())
    human = choose_human(blocks, options.pieces, options.seed)
    _report(blocks, human, checkpoint, seed=options.seed, temperature=options.temperature, top_p=options.top_p)


if __name__ == "__main__":
    main()
