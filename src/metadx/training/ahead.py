"""Batches drawn ahead: a thread draws the next ones while the step on this one runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import torch

from metadx.tasks import Batch, Examples, Task
from metadx.training.feed import Feed, draw

_POLL = 0.1  # s


class _Drawn(NamedTuple):
    """A batch, or why there is none, and the generator's state before and after it."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    batch: Batch | Task | Examples | None
    error: BaseException | None = None


class Ahead:
    """The batches of a feed, finished on a device, in the order and with the random numbers of drawing each when it
    is needed.

    The thread draws from a copy of the generator. A batch counts only if the generator stands where the copy stood
    before it: where an algorithm draws random numbers of its own, what was drawn ahead is thrown away, and from
    then on nothing is drawn ahead.

    Args:
        feed: draws from its generator alone.
        size: of a batch.
        device: that learns from the batches; for a GPU they wait in pinned memory, and are copied while it works.
        ahead: how many batches may wait; 0 draws each when it is needed.
    """

    def __init__(self, feed: Feed, size: int, device: torch.device, ahead: int) -> None:
        self._feed, self._size, self._device = feed, size, device
        self._waiting: queue.Queue[_Drawn] = queue.Queue(max(ahead, 1))
        self._over = threading.Event()
        if not ahead:
            self._over.set()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def next(self, rng: np.random.Generator) -> Task | Examples:
        """The batch that the generator gives, which is then as far as if it had drawn it.

        Raises:
            Whatever the feed raises, when its turn comes.
        """
        if not self._over.is_set():
            if self._thread is None:
                self._start(rng)
            drawn = self._waiting.get()
            if drawn.before == rng.bit_generator.state:
                if drawn.error is not None:
                    self._stop()
                    raise drawn.error
                rng.bit_generator.state = dict(drawn.after)
                assert drawn.batch is not None
                return self._finished(drawn.batch)
            self._stop()
        return self._finished(draw(self._feed, rng, self._size))

    def _finished(self, batch: Batch | Task | Examples) -> Task | Examples:
        return batch.on(self._device) if isinstance(batch, Batch) else batch

    def _start(self, rng: np.random.Generator) -> None:
        copy = np.random.Generator(type(rng.bit_generator)())
        copy.bit_generator.state = rng.bit_generator.state
        self._thread = threading.Thread(target=self._run, args=(copy,), name="metadx-ahead", daemon=True)
        self._thread.start()

    def _run(self, rng: np.random.Generator) -> None:
        while not self._over.is_set():
            before = rng.bit_generator.state
            try:
                batch = draw(self._feed, rng, self._size)
                if self._device.type == "cuda" and isinstance(batch, Batch):
                    batch = batch.pinned()
            except BaseException as error:  # raised where the batch was asked for
                self._put(_Drawn(before, before, None, error))
                return
            self._put(_Drawn(before, rng.bit_generator.state, batch))

    def _put(self, drawn: _Drawn) -> None:
        while not self._over.is_set():
            try:
                self._waiting.put(drawn, timeout=_POLL)
            except queue.Full:
                continue
            return

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._thread.join()
