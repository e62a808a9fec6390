"""Workers of a torch.distributed process group, as separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PREAMBLE = """
import sys, torch, torch.distributed as dist
rank, world_size, arguments = int(sys.argv[1]), int(sys.argv[2]), sys.argv[4:]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method="file://" + sys.argv[3], rank=rank, world_size=world_size)
"""
# Threads of gloo that still run when the interpreter goes end the process by std::terminate, now and then.
ENDING = """
dist.barrier()
dist.destroy_process_group()
"""


def run_workers(program: str, folder: Path, arguments: list[str], *, world_size: int = 2) -> None:
    """Runs a program in each worker to its end; it knows `rank` and its `arguments`. None outlives this call."""
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-c", PREAMBLE + program + ENDING]
    store = str(folder / "store")
    workers = [
        subprocess.Popen([*command, str(rank), str(world_size), store, *arguments], env=environment)
        for rank in range(world_size)
    ]
    try:
        assert [worker.wait(240) for worker in workers] == [0] * world_size
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
