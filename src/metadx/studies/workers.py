"""Independent jobs side by side, one process and one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

from metadx.errors import UserError

Result = TypeVar("Result")
Report = Callable[[str, int, int], None]
"""Called in a worker with what it does, how much of it is done, and of how much."""

_LOOK = 0.1  # seconds between two looks at what the workers report
_messages: Any = None


def side_by_side(
    work: Callable[..., Result],
    jobs: Sequence[tuple[Any, ...]],
    watch: Callable[[int, str, int, int], None],
    workers: int | None = None,
) -> list[Result]:
    """The results of `work(*job, report)` for every job, in the order of the jobs.

    Small networks gain nothing from a second thread: threads wait for each other longer than they work. Whole jobs
    do not wait.

    Args:
        work: a function that can be imported; the jobs and results travel between processes.
        jobs: its arguments; put the longest first.
        watch: called with the number of a job and what it reports.
        workers: processes; as many as there are cores if None. One job at a time runs in this process.

    Raises:
        UserError: a worker was killed, most likely for want of memory.
    """
    workers = min(workers or _cores(), len(jobs))
    if workers == 1:
        return [work(*job, _reporter(i, watch)) for i, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    with ProcessPoolExecutor(workers, context, _prepare, (messages,)) as pool:
        try:
            futures = [pool.submit(_run, i, work, job) for i, job in enumerate(jobs)]
            _until_done(futures, messages, watch)
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed, most likely for want of memory; try again with fewer workers"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _reporter(job: int, watch: Callable[[int, str, int, int], None]) -> Report:
    return lambda what, done, total: watch(job, what, done, total)


def _until_done(futures: Sequence[Future[Any]], messages: Any, watch: Callable[..., None]) -> None:
    waiting = set(futures)
    while waiting:
        ended, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
        while not messages.empty():
            watch(*messages.get())
        for future in ended:
            future.result()


def _prepare(messages: Any) -> None:
    global _messages
    _messages = messages
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches every process; the first one ends the others
    torch.set_num_threads(1)
    threadpool_limits(1)


def _run(job: int, work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    return work(*arguments, lambda *said: _messages.put((job, *said)))
