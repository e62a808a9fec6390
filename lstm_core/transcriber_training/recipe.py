"""The settings of a training run of a transcriber."""

from __future__ import annotations

from dataclasses import dataclass, field

from lstm_core.transcriber_training.beat_training import BeatTrainSettings
from lstm_core.transcriber_training.calibration import ValidSettings
from lstm_core.transcriber_training.clips import ClipSettings
from lstm_core.transcriber_training.training import TranscriberTrainSettings
from lstm_core.transcription.beats.network import BeatNetworkSettings
from lstm_core.transcription.transcriber_model import TranscriberSettings


@dataclass(frozen=True, kw_only=True)
class TranscriberRecipe:
    """One training run of a transcriber."""

    soundfonts: tuple[str, ...] = ()  # paths or URIs to train with; without any the best one installed
    valid_soundfont: str = ""  # another one, to validate with; empty: the first of those trained with
    steps: int = 20_000  # optimiser updates; may be raised when a run goes on
    clips_folder: str = ""  # where rendered clips are kept; empty: in the run's folder
    num_workers: int = 1
    threads_per_worker: int | None = None  # None: all cores, shared
    device: str = "auto"  # or "cpu", "cuda"
    checkpoint_every_s: float = 180.0  # seconds between states
    keep: int = 2  # states
    valid_every: int = 500  # steps
    licences: dict[str, str] = field(default_factory=dict)  # of scores and SoundFonts; goes into the checkpoint
    model: TranscriberSettings = field(default_factory=TranscriberSettings)
    train: TranscriberTrainSettings = field(default_factory=TranscriberTrainSettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
    valid: ValidSettings = field(default_factory=ValidSettings)
    beat_network: BeatNetworkSettings = field(default_factory=BeatNetworkSettings)
    beats: BeatTrainSettings = field(default_factory=BeatTrainSettings)  # after the rest; see beat_run

    def __post_init__(self) -> None:
        for name in ("steps", "num_workers", "threads_per_worker", "keep", "valid_every"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, it must be above 0")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f'device is "{self.device}", it must be "auto", "cpu" or "cuda"')
        if self.train.num_clips % self.num_workers:
            raise ValueError(
                f"train.num_clips is {self.train.num_clips}, it must be a multiple of num_workers, {self.num_workers}"
            )


# Settings that a run may change when it goes on: the steps already done do not depend on them.
FREE = (
    "steps", "clips_folder", "num_workers", "threads_per_worker", "device", "checkpoint_every_s", "keep", "valid_every",
    "licences", "beat_network", "beats",
)  # fmt: skip
