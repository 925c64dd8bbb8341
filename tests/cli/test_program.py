"""The program as the operating system sees it: signals, pipes, exit codes, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Metadx, executable, files
from studies.making import write_recipe, write_table

NO_NETWORK = """
import os, socket

def refuse(self, *rest, **more):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(repr(rest) + "\\n")
    raise OSError("the network is not to be used")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = lambda *a, **k: refuse(None, *a)
"""

SHORT_DEMO = """
import sys
from metadx.studies import demo

train_one = demo.train_one

def short(algorithm, recipe, problem, **rest):
    training = recipe.training.model_copy(
        update={"iterations": 2, "meta_batch": 2, "validate_every": 2, "validation_tasks": 2}
    )
    return train_one(algorithm, recipe.model_copy(update={"training": training}), problem, **rest)

demo.train_one = short
demo._PLAN = type(demo._PLAN)(**{**demo._PLAN.__dict__, "tuning_tasks": 2, "shots": (1, 5)})
sys.argv = ["metadx", "demo", "--episodes", "3", "--workers", "1", "--out", sys.argv[1]]
from metadx.cli.app import main

main()
"""


def no_network(folder: Path) -> dict[str, str]:
    """Surroundings in which every attempt to reach another machine fails and is written down."""
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": paths, "CALLS": str(folder / "calls")}


def test_exit_codes(program: Metadx, tmp_path: Path) -> None:
    assert program("--version").ok().out.startswith("metadx ")
    assert "not a run folder" in program("evaluate", tmp_path).mistake()
    assert program("train").code == 2


def test_a_bad_table_through_the_real_program(program: Metadx, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("label,patient,a\n")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    before = files(tmp_path)
    assert (
        "table.csv: no cases below the header" in program("train", recipe, "--out", tmp_path / "a").mistake()
    )
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["data", "list"], ["data", "list", "--json"]], ids=" ".join
)
def test_a_reader_that_leaves_early_is_no_error(arguments: list[str]) -> None:
    with subprocess.Popen(
        [str(executable()), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
        running.wait(timeout=60)
    assert err == ""
    assert running.returncode in (0, 1)


def test_a_reader_that_takes_one_line(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    run = tmp_path / "a"
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    metadx("train", recipe, "--out", run, "-q").ok()
    script = f"'{executable()}' evaluate '{run}' --json | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr
    assert "rror" not in done.stderr
    assert json.loads((run / "evaluation.json").read_text())["scores"]


def test_the_demonstration_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    environment = {**os.environ, **no_network(tmp_path / "site")}
    reach = "import socket; socket.create_connection(('192.0.2.1', 80))"
    blocked = subprocess.run([sys.executable, "-c", reach], env=environment, capture_output=True, text=True)
    assert "the network is not to be used" in blocked.stderr
    assert (tmp_path / "site" / "calls").read_text().count("192.0.2.1") == 1
    (tmp_path / "site" / "calls").unlink()

    out = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", SHORT_DEMO, str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "site" / "calls").exists()
    _check_demo(out, done.stdout, episodes=3)


@pytest.mark.slow
def test_the_whole_demonstration(program: Metadx, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    said = program(
        "demo", "--episodes", 60, "--out", tmp_path / "report", env=no_network(tmp_path / "site")
    ).ok()
    assert not (tmp_path / "site" / "calls").exists()
    _check_demo(tmp_path / "report", said.out, episodes=60)
    result = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    right = {(s["method"], s["shots"]): s["value"] for s in result["scores"] if s["metric"] == "accuracy"}
    assert right["logistic_regression", 1] > 0.5  # chance is 0.2
    assert right["logistic_regression", 20] > right["logistic_regression", 1]


def _check_demo(out: Path, printed: str, episodes: int) -> None:
    result = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert sorted(p.name for p in out.iterdir()) == ["evaluation.json", "report.html"]
    assert result["data"]["name"] == "thyroid"
    assert result["protocol"]["episodes"] == episodes
    assert {s["n"] for s in result["scores"]} == {episodes}
    assert not set(result["split"]["test"]) & {*result["split"]["train"], *result["split"]["validation"]}
    page = (out / "report.html").read_text(encoding="utf-8")
    for method in result["methods"]:
        assert method["title"] in printed
        assert method["title"] in page
    for sentence in result["summary"]:
        assert sentence.split(":")[0][:60] in " ".join(printed.split())
