"""`tonemill demo`: the whole way on one machine, from recordings to a page of finished tracks.

    FOLDER/scores              chorales and dance tunes out of music21, as MusicXML and ABC
    FOLDER/corpus              recordings of them in six codecs: all that the stages below see
    FOLDER/blocks              feature blocks of what is transcribed from the recordings
    FOLDER/run                 a short fine-tuning of both levels of the base checkpoint, on two workers
    FOLDER/order.toml          ten tracks, which the base checkpoint makes
    FOLDER/order_of_run.toml   two tracks of the recordings' styles, which the fine-tuned one makes
    FOLDER/catalogue           the tracks; open its index.html

Recordings that may be given away with a program are rare, so the demo makes its own. With `from_scores` it leaves
them out, and the scores are the corpus. Run again, it does only what is missing: a demo that is complete takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jobs.demo.bundled_scores import build_corpus
from jobs.demo.recordings import record_scores
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.run import run_generate
from jobs.prepare.recipe import PrepareRecipe
from jobs.prepare.run import run_prepare
from jobs.runtime.local_ray import ray_running
from jobs.train.run import TrainResult, run_train
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.catalogue.records import TrackFailure, TrackRecord
from lstm_core.model.checkpoint import BASE
from lstm_core.model.composer_checkpoint import LEVELS, read_composer
from lstm_core.orders.order_file import read_order
from lstm_core.training.recipe import SHARES, LevelRecipe, TrainRecipe
from lstm_core.training.run_state import newest_state
from lstm_core.training.updates import TrainSettings

MARK_NAME = "demo.key"  # in the run: a hash of what it is trained on and how
# Sixteen recordings of each codec, an hour: the training reads them once or twice in its minute. To play and transcribe
# one takes 0.8 s of processor time, to read a score 0.05: of scores there may be more.
RECORDED = {"chorale": 28, "reel": 24, "jig": 24, "hornpipe": 20}
SCORES = {"chorale": 47, "reel": 45, "jig": 40, "hornpipe": 30}
FINE_TUNING_RATE = 2e-4  # gentle: a minute must not undo hours
# Transcriptions differ from what the base model learnt: time, instrument, duration and velocity of them are guesses.
FINE_TUNING_RATE_ON_TRANSCRIPTIONS = 5e-5
NUM_LANES = 32
VALID_EVENTS = 6_000  # a look at the validation pieces takes a second or two of that minute
ORDERS = Path(__file__).parent
BASE_ORDER, RUN_ORDER = "order.toml", "order_of_run.toml"


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """How large a demo is."""

    scores: dict[str, int] = field(default_factory=lambda: dict(RECORDED))  # at most, by bundled style
    from_scores: bool = False  # the scores are the corpus, not recordings of them
    minutes: float = 0.75  # of training
    steps: int | None = None  # of each level, instead of minutes
    num_workers: int = 2
    orders: Path = ORDERS  # folder of BASE_ORDER and RUN_ORDER


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    records: list[TrackRecord]
    failures: list[TrackFailure]
    page_uri: str
    seconds: dict[str, float]  # wall time of each stage


def run_demo(folder: str | Path = "demo", settings: DemoSettings | None = None, *, verbose: bool = False) -> DemoResult:
    """Makes, or completes, a demo in a folder."""
    settings, folder = settings or DemoSettings(), Path(folder)
    scores, blocks, run, catalogue = (folder / name for name in ("scores", "blocks", "run", "catalogue"))
    clock = _Clock()
    num_scores = sum(build_corpus(scores, settings.scores).values())
    clock.stop("scores", f"{num_scores} scores of {', '.join(settings.scores)} in {scores}")
    # One Ray for all stages; a demo that is complete needs none, and what it should lack after all starts its own.
    is_complete = (catalogue / "index.html").exists()
    num_cpus = max(4, os.cpu_count() or 1, settings.num_workers + 2)
    with nullcontext() if is_complete else ray_running(num_cpus=num_cpus, verbose=verbose):
        corpus = scores
        if not settings.from_scores:
            corpus = folder / "corpus"
            num_recordings, num_made = record_scores(scores, corpus, num_workers=settings.num_workers)
            clock.stop("record", f"{num_recordings} recordings in {corpus}, {num_made} of them made now")
        prepared = run_prepare(str(corpus), str(blocks), PrepareRecipe(), num_workers=settings.num_workers)
        num_pieces = sum(prepared.index.num_pieces.values())
        clock.stop("prepare", f"{num_pieces} pieces, {prepared.index.duration_s / 3600:.1f} hours, in {blocks}")
        trained = _train(blocks, run, settings, verbose=verbose)
        best = ", ".join(f"{level} {one.best_nll:.2f}" for level, one in trained.levels.items())
        clock.stop("train", f"nats an event of {best}, in {run}")
        made = []
        for name, model in ((RUN_ORDER, str(run)), (BASE_ORDER, "base")):  # the page has the title of the last
            order = folder / name
            shutil.copyfile(settings.orders / name, order)
            made.append(run_generate(model, read_order(order), str(catalogue), GenerateRecipe(), verbose=verbose))
            num_tracks = len(made[-1].records)
            clock.stop("generate", f"{made[-1].num_made} tracks of {order} made, {num_tracks} are in {catalogue}")
    return DemoResult(
        records=[record for one in reversed(made) for record in one.records],
        failures=[failure for one in reversed(made) for failure in one.failures],
        page_uri=made[-1].page_uri,
        seconds=clock.seconds,
    )


def _train(blocks: Path, run: Path, settings: DemoSettings, *, verbose: bool) -> TrainResult:
    """Trains, or goes on training, so that the run is complete, and of these blocks and settings."""
    rate = FINE_TUNING_RATE if settings.from_scores else FINE_TUNING_RATE_ON_TRANSCRIPTIONS
    train = TrainSettings(learning_rate=rate, warmup_steps=5, num_lanes=NUM_LANES)
    recipe = TrainRecipe(
        name="demo",
        minutes=settings.minutes,
        steps=settings.steps,
        num_workers=settings.num_workers,
        init_from="base",
        valid_events=VALID_EVENTS,
        plan=LevelRecipe(share=SHARES["plan"], train=train),
        parts=LevelRecipe(share=SHARES["parts"], train=train),
    )
    parent = read_composer(BASE)["levels"]
    named = f"{read_index(blocks).fingerprint} {parent} {asdict(recipe)}"
    key = hashlib.sha256(named.encode()).hexdigest()
    mark = run / MARK_NAME
    if run.exists() and (not mark.exists() or mark.read_text() != key):
        shutil.rmtree(run)  # of other blocks or another base checkpoint
    run.mkdir(parents=True, exist_ok=True)
    mark.write_text(key)
    is_begun = any(newest_state(run / level) is not None for level in LEVELS)
    return run_train(str(blocks), str(run), recipe, is_resumed=is_begun, verbose=verbose)


class _Clock:
    """Says what each stage did and how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.monotonic()

    def stop(self, stage: str, text: str) -> None:
        now = time.monotonic()
        taken, self._start = now - self._start, now
        self.seconds[stage] = self.seconds.get(stage, 0.0) + taken
        print(f"{stage:9s} {taken:5.1f} s   {text}", flush=True)
