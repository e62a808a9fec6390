"""One optimiser update after another: loss, schedule, averaged weights, evaluation, and exact state."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lstm_core.dataset.batch_digest import MAX_LANES, NUM_SUMS, batch_digest, lane_digests
from lstm_core.dataset.lanes import Batch, Lanes, PieceSource
from lstm_core.model.music_lstm import Inputs, MusicLSTM, State, dropout_masks
from lstm_core.training.evaluation import Evaluation, start_state, summed_nll
from lstm_core.training.gradients import FlatGradients
from lstm_core.training.worker_group import WorkerGroup


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a model is trained; everything that decides the numbers of a run."""

    num_lanes: int = 64  # over all workers together
    window: int = 128  # events that the gradient flows through
    learning_rate: float = 2e-3  # after the warm-up
    final_learning_rate: float = 0.02  # share of `learning_rate` at the end of the cosine
    warmup_steps: int = 50
    weight_decay: float = 0.01  # of matrices; tables (nn.Embedding) and biases have none
    gradient_clip: float = 1.0  # largest norm
    average_decay: float = 0.998  # of the averaged weights, once there are enough steps
    precision: str = "bf16"  # or "float32": what matrix products are computed in
    seed: int = 1  # 32 bits: torch takes no more of a seed

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed is {self.seed}, it must be a whole number from 0 to {(1 << 32) - 1}")
        for name in ("num_lanes", "window", "learning_rate", "gradient_clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be above 0")
        if self.num_lanes > MAX_LANES:
            raise ValueError(f"num_lanes is {self.num_lanes}, it must be at most {MAX_LANES}")
        if self.precision not in ("bf16", "float32"):
            raise ValueError(f'precision is "{self.precision}", it must be "bf16" or "float32"')
        if not 0.0 <= self.average_decay < 1.0:
            raise ValueError(f"average_decay is {self.average_decay}, it must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What one optimiser update did."""

    nll: float  # nats per event, over all workers
    nll_of_stream: list[float]  # nats per event, K of them, summing to `nll`
    num_events: int  # over all workers
    gradient_norm: float
    learning_rate: float
    is_finite: bool  # False: loss or gradient was not finite and the weights were left as they were
    pieces: list[int]  # of this worker's lanes
    suspects: list[int]  # pieces of all workers whose loss was not finite, or all pieces if it was the gradient alone
    batch: str  # digest of what all workers together learnt from
    wait_s: float  # until this worker's batch was there
    sync_s: float  # until all workers had come and their gradients were added up


def learning_rate_at(step: float, num_steps: int, settings: TrainSettings) -> float:
    """Learning rate of step 0, 1, ...: linear warm-up, then a cosine (Loshchilov and Hutter 2017)."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = min((step - settings.warmup_steps) / max(num_steps - settings.warmup_steps, 1), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * done))
    return settings.learning_rate * (settings.final_learning_rate + (1.0 - settings.final_learning_rate) * cosine)


class Trainer:
    """A model in training on this worker's share of the lanes.

    Works alone, or in a torch.distributed process group whose workers each own some lanes. The number of workers
    decides no batch, only the order in which numbers are added.
    """

    def __init__(
        self, model: MusicLSTM, source: PieceSource, settings: TrainSettings, *, device: str | torch.device = "cpu"
    ) -> None:
        self.group = WorkerGroup(device)
        if settings.num_lanes < self.group.world_size:
            raise ValueError(f"num_lanes is {settings.num_lanes}, too few for {self.group.world_size} workers")
        self.mine = self.group.share(settings.num_lanes)
        count = self.mine.stop - self.mine.start
        self.model, self.settings, self.device = model.to(device), settings, torch.device(device)
        self.lanes = Lanes(
            source,
            num_lanes=settings.num_lanes,
            window=settings.window,
            seed=settings.seed,
            first=self.mine.start,
            count=count,
        )
        self.state = model.initial_state(count)
        self.step = 0
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.parameters]
        tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
        decayed = [p for p in self.parameters if p.ndim == 2 and id(p) not in tables]
        others = [p for p in self.parameters if p.ndim != 2 or id(p) in tables]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            fused=True,  # one pass over everything: 8 ms of a step where one pass per operation took 16
        )
        self.gradients = FlatGradients(self.parameters, len(model.settings.streams) + 1 + NUM_SUMS)

    def train_step(self, num_steps: int, position: float | None = None) -> StepResult:
        """One optimiser update on the next window of every lane.

        `num_steps` is the length of the whole schedule, `position` where the step stands in it: by default its number.
        """
        begun = time.perf_counter()
        batch = self.lanes.next_batch()
        wait_s = time.perf_counter() - begun
        rate = learning_rate_at(self.step if position is None else position, num_steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        self.gradients.clear()
        sums, nll_of_lane = self._backward(batch)
        digests = lane_digests(batch, self.mine.start).to(sums)
        begun = time.perf_counter()
        *sums_of_all, count = self.gradients.reduce(torch.cat([digests, sums]), self.group)
        sync_s = time.perf_counter() - begun
        digest, totals, num_events = batch_digest(sums_of_all[:NUM_SUMS]), sums_of_all[NUM_SUMS:], round(count)
        scale = self.settings.num_lanes * self.settings.window / max(count, 1.0)
        norm = self.gradients.scale_and_clip(scale, self.settings.gradient_clip)
        is_finite = math.isfinite(sum(totals)) and math.isfinite(norm)
        if is_finite:
            self.optimizer.step()
            self._update_average()
            self.step += 1
        of_stream = [total / max(num_events, 1) for total in totals]
        suspects = [] if is_finite else self._suspects(batch.pieces, nll_of_lane)
        return StepResult(
            nll=sum(of_stream),
            nll_of_stream=of_stream,
            num_events=num_events,
            gradient_norm=norm,
            learning_rate=rate,
            is_finite=is_finite,
            pieces=batch.pieces,
            suspects=suspects,
            batch=digest,
            wait_s=wait_s,
            sync_s=sync_s,
        )

    def _backward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Gradients of this worker's lanes; sums of nats by stream and the number of events, [K + 1], nats by lane."""
        state = start_state(self.state, batch.is_start)
        inputs = Inputs(*(t.to(self.device) for t in batch.inputs))
        is_event = batch.is_event.to(self.device)
        with self._autocast():
            nll, after = self.model(inputs, state, self._dropout_masks())
        of_lane = (nll * is_event[..., None]).sum(1)  # [B, K]
        of_stream = of_lane.sum(0)
        loss = of_stream.sum()
        # Scaled by a constant here and by the true count after the reduction: workers need not agree in between.
        (loss / (self.settings.num_lanes * self.settings.window)).backward()
        self.state = State(after.hidden.detach(), after.cell.detach())
        return torch.cat([of_stream.detach(), is_event.sum()[None]]), of_lane.detach().sum(-1)

    def _suspects(self, pieces: list[int], nll_of_lane: Tensor) -> list[int]:
        """The pieces to name when a step failed, those of all workers."""
        numbers = torch.tensor(pieces, device=self.device)
        table = torch.stack([numbers, nll_of_lane.isfinite().long()], dim=1)
        rows = self.group.gathered(table, self.settings.num_lanes).tolist()
        bad = sorted({piece for piece, finite in rows if not finite})
        return bad or sorted({piece for piece, _ in rows})

    def _dropout_masks(self) -> Tensor | None:
        """Those of this worker's lanes: seeded by step and lane, so that no generator has a state to keep."""
        masks = dropout_masks(self.model.settings, self.settings.num_lanes, (self.settings.seed << 32) + self.step)
        return None if masks is None else masks[:, self.mine].to(self.device)

    def _update_average(self) -> None:
        decay = min(self.settings.average_decay, (1.0 + self.step) / (10.0 + self.step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1.0 - decay)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    def evaluate(self, source: PieceSource, indices: Sequence[int], *, num_lanes: int = 32) -> Evaluation:
        """Negative log-likelihood of whole pieces under the averaged weights, over all workers."""
        mine = list(indices)[self.group.rank :: self.group.world_size]
        with self.averaged_weights():
            sums_of_mine = summed_nll(self.model, source, mine, num_lanes, self.settings.window, self._autocast)
        table = torch.tensor(sums_of_mine, dtype=torch.float64, device=self.device)
        self.group.add_up(table)
        *sums, count = table.tolist()
        of_stream = [total / max(count, 1.0) for total in sums]
        return Evaluation(sum(of_stream), of_stream, round(count))

    def averaged_weights(self) -> _Swapped:
        """A context in which the model holds the averaged weights."""
        return _Swapped(self.parameters, self.average)

    def gather_lanes(self) -> dict[str, Tensor]:
        """Positions and states of all lanes of all workers, in the order of the lanes; the same on every worker."""
        positions = torch.from_numpy(self.lanes.positions()).to(self.device)
        parts = {
            "positions": positions,
            "hidden": self.state.hidden.transpose(0, 1),  # [B, L, H]
            "cell": self.state.cell.transpose(0, 1),
        }
        num_lanes = self.settings.num_lanes
        return {name: self.group.gathered(part, num_lanes).contiguous().cpu() for name, part in parts.items()}

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything that a run needs to resume exactly: weights, averages, optimiser, lanes. Call on all workers.

        They are copies, on the trainer's device; workers other than the first return the lanes alone.
        """
        lanes = {f"lanes.{name}": part for name, part in self.gather_lanes().items()}
        if self.group.rank != 0:
            return lanes
        tensors: dict[str, Tensor] = {"step": torch.tensor(self.step)}
        for name, parameter, average in zip(self._names(), self.parameters, self.average, strict=True):
            tensors[f"model.{name}"] = parameter.detach().clone()
            tensors[f"average.{name}"] = average.clone()
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value.detach().clone()
        return tensors | lanes

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Resumes where `state_tensors` was called, also with another number of workers."""
        mine = self.mine
        with torch.no_grad():
            for name, parameter, average in zip(self._names(), self.parameters, self.average, strict=True):
                parameter.copy_(tensors[f"model.{name}"])
                average.copy_(tensors[f"average.{name}"])
                prefix = f"optimizer.{name}."
                self.optimizer.state[parameter] = {
                    key.removeprefix(prefix): value.clone() if key.endswith(".step") else value.to(self.device)
                    for key, value in tensors.items()
                    if key.startswith(prefix)
                }
        self.step = int(tensors["step"])
        self.lanes.seek(tensors["lanes.positions"][mine].numpy())
        hidden = tensors["lanes.hidden"][mine].transpose(0, 1).contiguous()
        cell = tensors["lanes.cell"][mine].transpose(0, 1).contiguous()
        self.state = State(hidden.to(self.device), cell.to(self.device))

    def _names(self) -> list[str]:
        return [name for name, p in self.model.named_parameters() if p.requires_grad]


class _Swapped:
    def __init__(self, parameters: list[torch.nn.Parameter], values: list[Tensor]) -> None:
        self.parameters, self.values = parameters, values

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    def _swap(self) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, self.values, strict=True):
                kept = parameter.detach().clone()
                parameter.copy_(value)
                value.copy_(kept)
