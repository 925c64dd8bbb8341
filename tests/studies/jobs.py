"""Jobs that a worker process can import."""

from __future__ import annotations

import os
import signal
import time

import torch

from metadx.errors import UserError
from metadx.studies.workers import Report


def square(x: int, report: Report) -> tuple[int, int, int]:
    report("squaring", 1, 2)
    report("squaring", 2, 2)
    return x * x, os.getpid(), torch.get_num_threads()


def fail(x: int, report: Report) -> int:
    if x == 1:
        raise UserError("number 1 cannot be done")
    time.sleep(60)
    return x


def die(x: int, report: Report) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x
