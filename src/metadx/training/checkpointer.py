"""When checkpoints are written: now and then, and when training is asked to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from metadx.errors import Interrupted
from metadx.training.checkpoint import Checkpoint, write_checkpoint
from metadx.training.standing import Standing, restore, to_plain

Asked = Callable[[], int | None]
"""Gives the number of the signal that asked for a stop, or None."""


class Checkpointer:
    """Keeps a run resumable while `train` trains it.

    Args:
        folder: where checkpoints are written.
        every: seconds between two of them; 0 writes one after every step.
        start: the checkpoint to go on from; None begins.
        origin: what the run is made from; JSON that is stored with every checkpoint.
        asked: says whether to stop; see `stop_signals`.
        before: called before a checkpoint is written, such as to sync what must not be older than it.
        write: what writes it; of several processes on one training only the first does.
    """

    def __init__(
        self,
        folder: Path,
        every: float = 30.0,
        start: Checkpoint | None = None,
        *,
        origin: dict[str, Any] | None = None,
        asked: Asked = lambda: None,
        before: Callable[[], None] = lambda: None,
        write: Callable[[Path, Checkpoint], None] = write_checkpoint,
    ) -> None:
        self.folder = folder
        self.every = every
        self.start = start
        self.origin = origin or {}
        self.asked = asked
        self.before = before
        self.write = write
        self._last = time.monotonic()

    def resume(self, at: Standing) -> bool:
        """Moves a standing to where `start` was saved; False where there is nothing to resume."""
        if self.start is None:
            return False
        restore(at, self.start.tensors, self.start.numbers)
        return True

    def after_step(self, at: Standing) -> None:
        """Writes a checkpoint if one is due.

        Raises:
            Interrupted: a stop was asked for; the checkpoint of this step has been written.
            DiskFull: there is no room for it.
        """
        number = self.asked()
        if number is None and time.monotonic() - self._last < self.every:
            return
        self.before()
        self.write(self.folder, Checkpoint(*to_plain(at), self.origin))
        self._last = time.monotonic()
        if number is not None:
            raise Interrupted(
                f"stopped after step {at.step}, which is saved. Go on with `metadx train --resume {self.folder}`.",
                number,
            )


@contextmanager
def stop_signals() -> Iterator[Asked]:
    """Within the block the first Ctrl-C or SIGTERM is only noted, for a step to end; a second one acts at once.

    Outside of the main thread, which alone gets signals, it changes nothing.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        put_back()

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: noted[0] if noted else None
    finally:
        put_back()
