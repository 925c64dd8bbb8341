"""Several processes on one training, as `torchrun` starts them.

Every process draws the same batches, works on its share of them, and gets the results of all. What is gathered are
the results of single tasks, in their order: whatever reduces them, a mean or anything else, sees what one process
would have seen. Without `torchrun` nothing of `torch.distributed` is touched.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous
from torch.utils._pytree import tree_flatten, tree_unflatten

from metadx.errors import UserError

Result = TypeVar("Result")

_PATIENCE = timedelta(minutes=10)  # for a process that has not ended and does not answer


class Lost(UserError):
    """Another process of the training has ended; this one cannot go on."""


@dataclass(frozen=True)
class Processes:
    """The processes of a training, and which of them this one is.

    Args:
        rank: number of this process, from 0; the first one alone writes files and speaks.
        count: of all of them, on all machines.
        local_rank: number of this process on its machine.
        local_count: processes on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    def share(self, items: int) -> slice:
        """Which of so many items are this process's; shares differ by one at most."""
        sizes = self._sizes(items)
        begin = sum(sizes[: self.rank])
        return slice(begin, begin + sizes[self.rank])

    def gather(self, mine: Result, items: int) -> Result:
        """The results of all items in their order, of which every process brings those of its share.

        Args:
            mine: tensors, or dicts, tuples and lists of them, with one row per item of the share.
            items: of all processes together.

        Raises:
            Lost: another process has ended.
        """
        if self.count == 1:
            return mine
        leaves, form = tree_flatten(mine)
        every: list[Tensor] = list(leaves)
        for dtype in dict.fromkeys(leaf.dtype for leaf in leaves):
            places = [i for i, leaf in enumerate(leaves) if leaf.dtype == dtype]
            widths = [math.prod(leaves[i].shape[1:]) for i in places]
            flat = [leaves[i].reshape(-1, width) for i, width in zip(places, widths, strict=True)]
            rows = self._rows(torch.cat(flat, 1), items)
            for i, part in zip(places, torch.split(rows, widths, 1), strict=True):
                every[i] = part.reshape(items, *leaves[i].shape[1:])
        gathered: Result = tree_unflatten(every, form)
        return gathered

    def largest(self, value: float) -> float:
        """The largest of the values that the processes bring; by this they agree.

        Raises:
            Lost: another process has ended.
        """
        if self.count == 1:
            return value
        found = torch.tensor(value, dtype=torch.float64)
        with _speaking():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return float(found)

    def tell(self, content: bytes) -> None:
        """Sends what all others `hear`; of the first process.

        Raises:
            Lost: another process has ended.
        """
        if self.count == 1:
            return
        with _speaking():
            dist.broadcast(torch.tensor([len(content)]), 0)
            if content:
                dist.broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8), 0)

    def hear(self) -> bytes:
        """What the first process tells.

        Raises:
            Lost: it has ended.
        """
        length = torch.zeros(1, dtype=torch.int64)
        with _speaking():
            dist.broadcast(length, 0)
            content = torch.empty(int(length), dtype=torch.uint8)
            if len(content):
                dist.broadcast(content, 0)
        return content.numpy().tobytes()

    def device(self, name: str) -> str:
        """The device that a name means to this process: of GPUs, one of its own.

        Raises:
            UserError: there are not as many GPUs as processes, or one GPU is named for all of them.
        """
        if self.local_count == 1 or not name.startswith("cuda"):
            return name
        if name != "cuda":
            raise UserError(f"training.device is '{name}': of several processes each takes a GPU; say cuda.")
        if self.local_count > torch.cuda.device_count():
            raise UserError(
                f"{self.local_count} processes on a machine with {torch.cuda.device_count()} GPUs: start as many "
                "as there are, or set training.device to cpu."
            )
        return f"cuda:{self.local_rank}"

    def _sizes(self, items: int) -> list[int]:
        return [items // self.count + (rank < items % self.count) for rank in range(self.count)]

    def _rows(self, mine: Tensor, items: int) -> Tensor:
        """The rows of all processes; shares are filled up to the largest, as equal sizes are what can be sent."""
        sizes = self._sizes(items)
        most = sizes[0]
        filled = torch.cat([mine, mine.new_zeros(most - len(mine), mine.shape[1])])
        every = [torch.empty_like(filled) for _ in sizes]
        with _speaking():
            dist.all_gather(every, filled)
        return torch.cat([part[:size] for part, size in zip(every, sizes, strict=True)])


ALONE = Processes()
"""One process, which asks no other."""


def launched() -> bool:
    """Whether `torchrun` started this process, and may start it again with the same words."""
    return dist.is_available() and dist.is_torchelastic_launched()


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that `torchrun` started, connected; one alone without it."""
    if not launched() or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    rank, count, local_rank, local_count = (
        int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    )
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    with _speaking():
        store = _fresh(next(rendezvous("env://", rank, count, timeout=_PATIENCE))[0], rank, count)
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=_PATIENCE)
    yield Processes(rank, count, local_rank, local_count)
    dist.destroy_process_group()  # not after an error: the others may no longer answer


def _fresh(store: Any, rank: int, count: int) -> Any:
    """A part of the launcher's store that holds nothing of processes that have ended.

    `torchrun` keeps one store over its restarts, in which the new processes find the addresses of the old ones and
    wait for them (pytorch/pytorch#135712). So each asks with a name that nobody had before, and the first answers.
    """
    name = uuid.uuid4().hex
    if rank > 0:
        store.set(f"ask/{rank}", name)
        part = store.get(f"answer/{name}").decode()
        store.set(f"{part}/heard/{rank}", "")
        return dist.distributed_c10d.PrefixStore(part, store)
    until = time.monotonic() + _PATIENCE.total_seconds()
    while silent := [r for r in range(1, count) if not store.check([f"{name}/heard/{r}"])]:
        if time.monotonic() > until:
            raise RuntimeError(f"processes {silent} did not come")
        for other in silent:
            if store.check([f"ask/{other}"]):
                store.set(f"answer/{store.get(f'ask/{other}').decode()}", name)
        time.sleep(0.01)
    return dist.distributed_c10d.PrefixStore(name, store)


@contextmanager
def _speaking() -> Iterator[None]:
    """Says of a connection that broke what it means."""
    try:
        yield
    except RuntimeError as error:
        raise Lost(
            "another process of this training has ended or does not answer, so this one stops. Go on from the last "
            "checkpoint with the same command, or let torchrun do so: --max-restarts 3."
        ) from error
