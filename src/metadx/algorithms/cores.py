"""Work in shares, each on a thread and a core of its own.

PyTorch shares every operation out over the cores by itself. Operations of few-shot tasks are small: threads wait
for each other at the end of each, and for long where other programs are at work. Tasks need nothing of each other,
so that a thread for a share of them waits for nobody.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

import torch

Result = TypeVar("Result")


def over_cores(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """What the jobs give, in order; run at once, in the context of the caller, with one thread of PyTorch each."""
    threads = torch.get_num_threads()
    waiting = [_pool(len(jobs)).submit(contextvars.copy_context().run, job) for job in jobs]
    try:
        return [job.result() for job in waiting]
    finally:
        torch.set_num_threads(threads)  # what those threads were told holds for threads that begin later, too


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, "metadx-share", initializer=partial(torch.set_num_threads, 1))


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not outlive a fork
