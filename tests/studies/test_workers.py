"""Jobs side by side give what they give one after the other, and say what went wrong."""

from __future__ import annotations

import os
import time

import pytest

from metadx.errors import UserError
from metadx.studies.workers import side_by_side
from studies.jobs import die, fail, square


def test_results_come_in_the_order_of_the_jobs_from_other_processes() -> None:
    seen: list[tuple[int, str, int, int]] = []
    results = side_by_side(square, [(3,), (4,), (5,)], lambda *said: seen.append(said), workers=2)
    assert [x for x, _, _ in results] == [9, 16, 25]
    assert os.getpid() not in {pid for _, pid, _ in results}
    assert {threads for _, _, threads in results} == {1}
    assert set(seen) <= {(job, "squaring", done, 2) for job in range(3) for done in (1, 2)}


def test_one_worker_is_this_process() -> None:
    seen: list[tuple[int, str, int, int]] = []
    results = side_by_side(square, [(3,), (4,)], lambda *said: seen.append(said), workers=1)
    assert [(x, pid) for x, pid, _ in results] == [(9, os.getpid()), (16, os.getpid())]
    assert seen == [(job, "squaring", done, 2) for job in range(2) for done in (1, 2)]


def test_a_mistake_in_one_job_ends_the_others_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match="number 1 cannot be done"):
        side_by_side(fail, [(0,), (1,)], lambda *said: None, workers=2)
    assert time.monotonic() - began < 50


def test_a_killed_worker_is_named() -> None:
    with pytest.raises(UserError, match="a worker process was killed"):
        side_by_side(die, [(0,), (1,)], lambda *said: None, workers=2)
