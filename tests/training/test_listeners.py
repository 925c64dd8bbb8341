"""What watches a run: the bar, the metrics file, TensorBoard."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from metadx.training import Record, metrics_file, progress_bar, tensorboard

RECORD: Record = {"step": 3, "lr": 0.1, "loss": 1.25, "score": 0.5, "tasks_per_second": 123.4}


def test_the_bar_shows_speed_loss_and_the_last_validation_score() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140)
    with progress_bar("MAML", 10, console) as listen:
        listen(RECORD | {"validation": 0.625})
        listen(RECORD | {"step": 4})
    text = screen.getvalue()
    for part in ("MAML", "4/10", "123 tasks/s", "loss 1.250", "validation 0.625"):
        assert part in text


def test_the_bar_survives_a_record_without_loss() -> None:
    screen = io.StringIO()
    with progress_bar("own", 10, Console(file=screen, force_terminal=True, width=140)) as listen:
        listen({"step": 1, "tasks_per_second": 2.0})
    assert "1/10" in screen.getvalue()


def test_the_metrics_file_leaves_out_what_the_clock_says(tmp_path: Path) -> None:
    with metrics_file(tmp_path / "metrics.jsonl") as listen:
        listen(RECORD)
        listen(RECORD | {"step": 4, "validation": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0] == {"step": 3, "lr": 0.1, "loss": 1.25, "score": 0.5}
    assert lines[1]["validation"] == 0.5


def test_the_metrics_file_is_json_where_a_figure_is_no_number(tmp_path: Path) -> None:
    with metrics_file(tmp_path / "metrics.jsonl") as listen:
        listen({"step": 1, "loss": float("nan"), "validation": float("-inf")})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {"step": 1, "loss": None, "validation": None}


def test_lines_are_there_while_training_goes_on(tmp_path: Path) -> None:
    with metrics_file(tmp_path / "metrics.jsonl") as listen:
        listen(RECORD)
        assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 1


def test_tensorboard_gets_every_scalar(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tensorboard(tmp_path) as listen:
        listen(RECORD)
        listen(RECORD | {"step": 4, "loss": 1.0})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(3, 1.25), (4, 1.0)]
    assert set(events.Tags()["scalars"]) == {"lr", "loss", "score", "tasks_per_second"}


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with tensorboard(tmp_path / "board") as listen:
        listen(RECORD)
    assert not (tmp_path / "board").exists()
