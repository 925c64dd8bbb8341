"""Checkpoints: read back as written, whole or not at all, and a resumed run equals one that was never stopped."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from metadx.algorithms import (
    ANIL,
    CAVIA,
    MAML,
    Algorithm,
    FineTune,
    MAMLPlusPlus,
    MetaLogistic,
    ProtoNet,
    Reptile,
)
from metadx.durable import DiskFull
from metadx.errors import Interrupted, UserError
from metadx.training import (
    Checkpoint,
    Checkpointer,
    Damaged,
    Record,
    TrainingSettings,
    feed_for,
    has_checkpoint,
    metrics_file,
    read_checkpoint,
    remove_checkpoints,
    stop_signals,
    train,
    write_checkpoint,
)
from metadx.training.checkpoint import BEFORE, LATEST
from metadx.training.standing import Kept, Standing, restore, to_plain
from training.making import dataset, network, tasks

KINDS: dict[str, Callable[[], Algorithm]] = {
    "maml": lambda: MAML(network(), 0.1, 2),
    "maml++": lambda: MAMLPlusPlus(
        nn.Sequential(network(), nn.BatchNorm1d(3)), 0.1, 2, 2, 4, step_statistics=True
    ),
    "anil": lambda: ANIL(network(), 0.1, 2),
    "cavia": lambda: CAVIA(network()),
    "reptile": lambda: Reptile(network()),
    "protonet": lambda: ProtoNet(network(None)),
    "meta_logistic": lambda: MetaLogistic(*dataset().sources()[0].input_shape),
    "fine_tune": lambda: FineTune(network(None), width=8, classes=6),
}
SETTINGS = TrainingSettings(iterations=7, meta_batch=2, validate_every=2, schedule="cosine", clip=5.0)
PLAIN = Checkpoint(
    {
        "params/a": torch.randn(3, 4).T,
        "state/b": torch.tensor([True]),
        "best/c": torch.tensor(2, dtype=torch.int64),
    },
    {"step": 3, "score": float("-inf"), "rng": 2**100},
    {"recipe": "mine"},
)


def run(
    kind: str,
    settings: TrainingSettings,
    folder: Path,
    stop_at: int | None = None,
    start: Checkpoint | None = None,
) -> dict[str, bytes]:
    """Trains until the end, or until a stop is asked for after a step; gives the bytes of what came out."""
    folder.mkdir(exist_ok=True)
    algorithm = KINDS[kind]()
    done = 0 if start is None else start.step
    seen: list[Record] = []
    checkpointer = Checkpointer(
        folder, 1e9, start, asked=lambda: signal.SIGTERM if seen and seen[-1]["step"] == stop_at else None
    )
    with metrics_file(folder / "metrics.jsonl", done=done) as to_file:
        feed = feed_for(algorithm, dataset())
        listeners = [to_file, seen.append]
        trained = train(algorithm, feed, tasks(3), settings, listeners, checkpoint=checkpointer)
    out = {name: value.numpy().tobytes() for name, value in (trained.params | trained.state).items()}
    history = [{k: v for k, v in r.items() if k != "tasks_per_second"} for r in trained.history]
    out["said"] = json.dumps([trained.step, trained.score, trained.way, history]).encode()
    return out | {"metrics": (folder / "metrics.jsonl").read_bytes()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_at_any_step_ends_like_one_that_was_not(kind: str, tmp_path: Path) -> None:
    whole = run(kind, SETTINGS, tmp_path / "whole")
    assert not has_checkpoint(tmp_path / "whole")
    for step in range(1, SETTINGS.iterations):
        folder = tmp_path / str(step)
        with pytest.raises(
            Interrupted, match=f"stopped after step {step}, which is saved.*--resume {folder}"
        ):
            run(kind, SETTINGS, folder, step)
        assert run(kind, SETTINGS, folder, start=read_checkpoint(folder)) == whole


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "weight_decay": 0.1},
        {"keep": "last"},
        {"patience": 2, "lr": 1e-9},
        {"schedule": "one_cycle", "clip": None},
    ],
    ids=str,
)
def test_so_it_is_with_other_settings(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = TrainingSettings.model_validate(SETTINGS.model_dump() | changes)
    whole = run("maml", settings, tmp_path / "whole")
    for step in (1, 2, 3):
        with pytest.raises(Interrupted):
            run("maml", settings, tmp_path / str(step), step)
        assert (
            run("maml", settings, tmp_path / str(step), start=read_checkpoint(tmp_path / str(step))) == whole
        )


def test_a_run_may_be_stopped_many_times(tmp_path: Path) -> None:
    whole = run("protonet", SETTINGS, tmp_path / "whole")
    for step in (1, 2, 4, 5):
        with pytest.raises(Interrupted):
            run("protonet", SETTINGS, tmp_path / "parts", step, read_checkpoint(tmp_path / "parts"))
    assert run("protonet", SETTINGS, tmp_path / "parts", start=read_checkpoint(tmp_path / "parts")) == whole


def test_time_that_was_spent_counts_after_a_resume(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_seconds": 1000.0})
    with pytest.raises(Interrupted):
        run("protonet", settings, tmp_path, 2)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.numbers["seconds"] > 0
    found.numbers["seconds"] = 999.9999999
    run("protonet", settings, tmp_path, start=found)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_checkpoints_come_as_often_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from metadx.training import checkpointer as room

    clock = iter(range(100))
    monkeypatch.setattr(room.time, "monotonic", lambda: float(next(clock)))
    written: list[int] = []
    for every, expected in ((0.0, [1, 2, 3, 4, 5, 6]), (1e9, [])):
        keeper = Checkpointer(tmp_path, every, write=lambda _, checkpoint: written.append(checkpoint.step))
        algorithm = KINDS["protonet"]()
        train(algorithm, feed_for(algorithm, dataset()), [], SETTINGS, checkpoint=keeper)
        assert written == expected
        written.clear()


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PLAIN)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found[1:] == PLAIN[1:]
    assert found.tensors.keys() == PLAIN.tensors.keys()
    for name, value in PLAIN.tensors.items():
        assert torch.equal(found.tensors[name], value)
        assert found.tensors[name].dtype == value.dtype
    assert [p.name for p in tmp_path.iterdir()] == [LATEST]


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    assert not has_checkpoint(tmp_path)


def steps(folder: Path, *numbers: int) -> None:
    for number in numbers:
        write_checkpoint(folder, PLAIN._replace(numbers={"step": number}))


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    steps(tmp_path, 1, 2, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [BEFORE, LATEST]
    (tmp_path / LATEST).unlink()
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 2
    remove_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[:-5]
    elif how == "empty":
        content = bytearray()
    elif how == "noise":
        content = bytearray(b"\xff" * 100)
    elif how == "a bit of a tensor":
        content[-3] ^= 1
    else:
        place = content.index(b"step")
        content[place : place + 4] = b"pets"
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "empty", "noise", "a bit of a tensor", "a word of the header"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(how: str, tmp_path: Path) -> None:
    steps(tmp_path, 1, 2)
    spoil(tmp_path / LATEST, how)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    assert not (tmp_path / LATEST).exists()  # or it would push out the good one at the next checkpoint
    steps(tmp_path, 5)
    (tmp_path / LATEST).unlink()
    again = read_checkpoint(tmp_path)
    assert again is not None
    assert again.step == 1


def test_without_a_good_one_the_damage_is_said(tmp_path: Path) -> None:
    steps(tmp_path, 1, 2)
    for name in (LATEST, BEFORE):
        spoil(tmp_path / name, "cut")
    with pytest.raises(
        Damaged, match=r"checkpoint\.safetensors is damaged \(.*previous.* and train again"
    ) as error:
        read_checkpoint(tmp_path)
    assert "\n" not in str(error.value)
    assert has_checkpoint(tmp_path)


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_checkpoints_there_are(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps(tmp_path, 1, 2)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if moment == "write":
        real = Path.open

        def opened(self: Path, *rest: Any, **more: Any) -> Any:
            stream = real(self, *rest, **more)
            if self.name.endswith(".part"):
                stream.close()
                refuse()
            return stream

        monkeypatch.setattr(Path, "open", opened)
    else:
        monkeypatch.setattr(os if moment == "fsync" else Path, moment, refuse)
    with pytest.raises(
        DiskFull, match=r"no room for the \d+ (bytes|kB) of checkpoint.safetensors \(No space left"
    ):
        steps(tmp_path, 3)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run("maml", SETTINGS, tmp_path, 1)
    with pytest.raises(UserError, match=r"the checkpoint has no tensor '.+' of shape"):
        run("meta_logistic", SETTINGS, tmp_path, start=read_checkpoint(tmp_path))


def test_metrics_that_are_missing_are_said(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run("protonet", SETTINGS, tmp_path, 3)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    with pytest.raises(UserError, match=r"metrics\.jsonl: lacks lines of the 3 steps that were done"):
        run("protonet", SETTINGS, tmp_path, start=read_checkpoint(tmp_path))


def standing() -> Standing:
    """One that has done no step, with a weight that lies transposed in memory."""
    leaf = torch.arange(6.0).reshape(2, 3).T.requires_grad_()
    optimizer = torch.optim.Adam([leaf])
    return Standing({"a": leaf}, {}, optimizer, np.random.default_rng(1), Kept(0, 0.0, {"a": leaf}, {}))


def test_generators_go_on_where_they_were() -> None:
    a, b = standing(), standing()
    a.rng.integers(0, 9, 3, dtype=np.int32)  # leaves half a word over
    tensors, numbers = to_plain(a)
    restore(b, tensors, json.loads(json.dumps(numbers)))
    first, second = (at.rng.integers(0, 2**30, 50, dtype=np.int32).tolist() for at in (a, b))
    assert first == second


def test_the_layout_in_memory_is_kept(tmp_path: Path) -> None:
    """A transposed weight may take another way through the processor, with another last bit."""
    a, b = standing(), standing()
    with torch.no_grad():
        a.params["a"].add_(1)
    write_checkpoint(tmp_path, Checkpoint(*to_plain(a), {}))
    found = read_checkpoint(tmp_path)
    assert found is not None
    restore(b, found.tensors, found.numbers)
    for x, y in ((a.params["a"], b.params["a"]), (a.best.params["a"], b.best.params["a"])):
        assert torch.equal(x, y)
        assert x.stride() == y.stride() == (1, 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_acts(number: signal.Signals) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    acted: list[int] = []
    signal.signal(number, lambda n, _: acted.append(n))
    try:
        with stop_signals() as asked:
            assert asked() is None
            signal.raise_signal(number)
            assert asked() == number
            assert acted == []
            signal.raise_signal(number)
            assert acted == [number]
        signal.raise_signal(number)
        assert acted == [number] * 2
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def test_outside_of_the_main_thread_signals_stay_as_they_are() -> None:
    said: list[int | None] = []

    def work() -> None:
        with stop_signals() as asked:
            said.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == [None]
