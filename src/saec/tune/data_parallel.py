"""Several processes that tune one adapter: data parallel, gradients summed (Li et al., VLDB 2020).

``torchrun`` or ``accelerate launch`` starts the processes and tells each its number. Each step's batches are
dealt out among them; all hold the same adapter, since each makes the same step with the same sum. A batch
computes the same in whichever process it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed

from saec.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """One of the processes of a run, and how many there are.

    Attributes:
        rank: its number from 0; process 0 alone writes and reports.
        count: how many there are.
        local: its number on its machine, which is that of its GPU.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def device(self, asked: str) -> str:
        """The device of this process.

        Args:
            asked: the setting: auto, cpu, cuda or cuda:N.

        Raises:
            ConfigError: one GPU is named for several processes.
        """
        if self.count == 1 or asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
            return asked
        if ":" in asked:
            raise ConfigError(
                f"--device {asked} names one GPU for {self.count} processes",
                "give --device cuda: each process takes the GPU of its number",
            )
        return f"cuda:{self.local}"

    @contextmanager
    def joined(self, device: str) -> Iterator[None]:
        """Let the processes talk to each other: NCCL between GPUs, else Gloo."""
        if self.count == 1:
            yield
            return
        cuda = device.startswith("cuda")
        if cuda:
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if cuda else "gloo")
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def share(self, pieces: Sequence[T]) -> list[tuple[int, T]]:
        """Every ``count``-th of the pieces from the one of this process's number on; with their numbers."""
        return list(enumerate(pieces))[self.rank :: self.count]

    def wait(self) -> None:
        """Wait for the others."""
        if self.count > 1:
            distributed.barrier()

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give each parameter the sum of its gradients over the processes."""
        if self.count == 1:
            return
        trained = list(parameters)
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = torch.cat([part.flatten().float() for part in parts])
        distributed.all_reduce(flat)
        at = 0
        for parameter in trained:
            summed = flat[at : at + parameter.numel()]
            parameter.grad = summed.view_as(parameter).to(parameter.dtype)
            at += parameter.numel()

    def joined_values(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values of all processes, where each has its own and 0 in the places of the others."""
        if self.count == 1:
            return values
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        total = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        found: NDArray[np.float64] = total.cpu().numpy()
        return found


ALONE = Processes()
"""The only process of a run."""


def launched() -> Processes:
    """The process that this is, as ``torchrun`` and ``accelerate launch`` tell it; else the only one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    rank = int(os.environ["RANK"])
    return Processes(rank, count, int(os.environ.get("LOCAL_RANK", rank)))
