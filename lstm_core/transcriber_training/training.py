"""One update of a transcriber after another: loss, schedule, averaged weights, exact state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from lstm_core.transcriber_training.clips import ClipPool, stacked
from lstm_core.transcription.transcriber_model import Logits, TranscriberModel

LOSS_NAMES = ("onset", "frame", "velocity", "drums", "beats")


@dataclass(frozen=True, kw_only=True)
class TranscriberTrainSettings:
    """How a transcriber is trained; everything that decides the numbers of a run."""

    num_clips: int = 4  # in a batch, over all workers together
    num_frames: int = 320  # of a clip, even; 50 per second
    learning_rate: float = 2e-3  # between the warm-up and the cool-down
    warmup_steps: int = 100
    cooldown_steps: int = 1000  # at the end, down to 0; a run that goes on longer starts from before them
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    average_decay: float = 0.998
    onset_weight: float = 3.0  # of the loss of a frame that has an onset; onsets are rare
    precision: str = "bf16"  # or "float32"
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("num_clips", "num_frames", "learning_rate", "gradient_clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be above 0")
        if self.num_frames % 2:
            raise ValueError(f"num_frames is {self.num_frames}, it must be even")
        if self.precision not in ("bf16", "float32"):
            raise ValueError(f'precision is "{self.precision}", it must be "bf16" or "float32"')


class TranscriberStep(NamedTuple):
    losses: list[float]  # in the order of LOSS_NAMES, weighted as in the sum that is minimised
    gradient_norm: float
    learning_rate: float
    is_finite: bool  # False: the weights were left as they were


def transcriber_losses(logits: Logits, targets: tuple[Tensor, ...], onset_weight: float) -> Tensor:
    """Losses in the order of LOSS_NAMES: float32 [5]. targets: of clips.stacked.

    Cross-entropies against soft targets, summed over pitches or drums and averaged over frames, so that music of many
    notes has full weight; velocities count where there is an onset.
    """
    onset, frame, velocity, drums, drum_velocity, beats, has_beat = targets
    weight = 1.0 + (onset_weight - 1.0) * onset
    of_onset = (cross_entropy(logits.onset, onset, reduction="none") * weight).sum(-1).mean()
    of_frame = cross_entropy(logits.frame, frame, reduction="none").sum(-1).mean()
    of_velocity = ((torch.sigmoid(logits.velocity) - velocity).square() * onset).sum(-1).mean()
    of_drums = (
        (cross_entropy(logits.drums, drums, reduction="none") * (1.0 + (onset_weight - 1.0) * drums)).sum(-1).mean()
    )
    of_drums = of_drums + ((torch.sigmoid(logits.drum_velocity) - drum_velocity).square() * drums).sum(-1).mean()
    of_beats = (cross_entropy(logits.beats, beats, reduction="none").sum(-1).mean(-1) * has_beat).mean()
    return torch.stack([of_onset, 0.5 * of_frame, 2.0 * of_velocity, of_drums, of_beats])


class TranscriberTrainer:
    """A transcriber in training on this worker's share of the clips of each step."""

    def __init__(
        self,
        model: TranscriberModel,
        clips: ClipPool,
        settings: TranscriberTrainSettings,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        if settings.num_clips % self.world_size:
            raise ValueError(
                f"num_clips is {settings.num_clips}, it must be a multiple of the {self.world_size} workers"
            )
        self.model = model.to(device).in_fast_order()
        self.clips, self.settings, self.device, self.step = clips, settings, torch.device(device), 0
        self.parameters = list(model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
                {"params": [p for p in self.parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            foreach=True,
        )

    def train_step(self, num_steps: int) -> TranscriberStep:
        """One optimiser update; `num_steps` is the length of the whole schedule."""
        settings = self.settings
        rate = self._learning_rate(num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        share = settings.num_clips // self.world_size
        rows = range(self.rank * share, (self.rank + 1) * share)
        batch = self.clips.batch(self.step, rows, settings.num_frames)
        targets = tuple(t.to(self.device) for t in stacked(batch.targets))
        self.model.train()
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            logits = self.model(batch.levels.to(self.device))
        losses = transcriber_losses(logits, targets, settings.onset_weight)
        torch.autograd.backward(losses.sum())
        values, norm = self._reduce(losses.detach())
        is_finite = math.isfinite(sum(values)) and math.isfinite(norm)
        if is_finite:
            self.optimizer.step()
            self.step += 1
            decay = min(settings.average_decay, (1.0 + self.step) / (10.0 + self.step))
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1.0 - decay)
        return TranscriberStep(values, norm, rate, is_finite)

    def _learning_rate(self, num_steps: int) -> float:
        """Linear warm-up, a plateau, a linear cool-down.

        After A. Hägele and others, Scaling laws and compute-optimal training beyond fixed training durations (2024): as
        good as a cosine, and the plateau may have any length, so that a run can be prolonged.
        """
        settings = self.settings
        warm = (self.step + 1) / max(settings.warmup_steps, 1)
        left = (num_steps - self.step) / max(settings.cooldown_steps, 1)
        return settings.learning_rate * max(min(1.0, warm, left), 0.0)

    def _reduce(self, losses: Tensor) -> tuple[list[float], float]:
        """Losses and gradients as means over all workers, the gradients clipped; and their norm before."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients] + [losses.to(gradients[0])])
        if self.world_size > 1:
            dist.all_reduce(flat)
            flat /= self.world_size
        norm = float(flat[: -len(losses)].norm())
        values = flat[-len(losses) :].tolist()
        flat *= min(1.0, self.settings.gradient_clip / (norm + 1e-12))
        offset = 0
        for gradient in gradients:
            gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()
        return values, norm

    def averaged_weights(self) -> dict[str, Tensor]:
        """The state of a model with the averaged weights."""
        averages = dict(zip(self._names(), self.average, strict=True))
        return {
            name: averages.get(name, value).detach().cpu().clone() for name, value in self.model.state_dict().items()
        }

    def state_tensors(self) -> dict[str, Tensor]:
        """The exact state that a run needs to go on."""
        tensors: dict[str, Tensor] = {"step": torch.tensor(self.step)}
        tensors |= {f"model.{name}": value.detach().cpu() for name, value in self.model.state_dict().items()}
        for name, parameter, average in zip(self._names(), self.parameters, self.average, strict=True):
            tensors[f"average.{name}"] = average.cpu()
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value.detach().cpu()
        return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Goes on where `state_tensors` was called, also with another number of workers."""
        self.model.load_state_dict(_part(tensors, "model."))
        with torch.no_grad():
            for name, parameter, average in zip(self._names(), self.parameters, self.average, strict=True):
                average.copy_(tensors[f"average.{name}"])
                self.optimizer.state[parameter] = {
                    key: value.clone() if key == "step" else value.to(parameter.device)
                    for key, value in _part(tensors, f"optimizer.{name}.").items()
                }
        self.step = int(tensors["step"])

    def _names(self) -> list[str]:
        return [name for name, _ in self.model.named_parameters()]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
