"""The workers that train together, and their collectives. Without torch.distributed it is a group of one."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


class WorkerGroup:
    """This worker's place among all, and the collectives: each worker has to call them in the same order."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        # gloo takes tensors in main memory, NCCL of those on the device
        self._device = torch.device(device) if self.world_size > 1 and dist.get_backend() == "nccl" else "cpu"

    def share(self, num_lanes: int, rank: int | None = None) -> slice:
        """The lanes of a worker (None: this one): neighbours, as many for each as is possible."""
        rank = self.rank if rank is None else rank
        return slice(num_lanes * rank // self.world_size, num_lanes * (rank + 1) // self.world_size)

    def add_up(self, values: Tensor) -> None:
        """Replaces values by their sum over all workers, which has the same bits on each."""
        if self.world_size > 1:
            dist.all_reduce(values)

    def gathered(self, part: Tensor, num_lanes: int) -> Tensor:
        """The rows of all workers in the order of the lanes, [num_lanes, ...]; `part` holds those of this one."""
        if self.world_size == 1:
            return part
        longest = -(-num_lanes // self.world_size)
        padded = part.new_zeros((longest, *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in range(self.world_size)]
        dist.all_gather(parts, padded)
        sizes = [(own := self.share(num_lanes, rank)).stop - own.start for rank in range(self.world_size)]
        return torch.cat([rows[:size] for rows, size in zip(parts, sizes, strict=True)])

    def agreed(self, value: float) -> float:
        """The value of the first worker, on all."""
        if self.world_size == 1:
            return value
        shared = torch.tensor([float(value)], dtype=torch.float64, device=self._device)
        dist.broadcast(shared, 0)
        return float(shared.item())
