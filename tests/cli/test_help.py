"""Every command explains itself, at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Metadx

ROOT = Path(__file__).parents[2]
COMMANDS = (
    (),
    ("demo",),
    ("study",),
    ("train",),
    ("tune",),
    ("evaluate",),
    ("compare",),
    ("adapt",),
    ("diagnose",),
    ("report",),
    ("data",),
    ("data", "list"),
    ("data", "info"),
    ("data", "get"),
    ("data", "check"),
)
HEAVY = ("torch", "sklearn", "matplotlib")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_examples_that_call_the_command(command: tuple[str, ...], metadx: Metadx) -> None:
    said = metadx(*command, "--help").ok()
    assert said.err == ""
    assert "Example" in said.out
    assert " ".join(("metadx", *command)) in said.out.split("Example")[1]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_examples_name_options_commands_and_recipes_that_exist(
    command: tuple[str, ...], metadx: Metadx
) -> None:
    said = metadx(*command, "--help").ok().out
    examples = said.split("Example")[1]
    known = {name for c in COMMANDS for name in c}
    for line in re.findall(r"metadx [^·\n│]+", examples):
        words = line.split()[1:]
        assert words[0] in known
        used = [word for word in words if word.startswith("--")]
        path = [word for word in words[:2] if word in known]
        if used:
            options = metadx(*path, "--help").ok().out
            assert all(option in options for option in used), line
        for recipe in re.findall(r"recipes/\S+", line):
            assert (ROOT / recipe).is_file(), recipe


def test_every_command_is_listed_with_a_line(metadx: Metadx) -> None:
    said = metadx("--help").ok().out
    for command in ("demo", "train", "evaluate", "adapt", "diagnose", "report", "data"):
        assert re.search(rf"│ {command} +[A-Z]", said), command


def test_version(metadx: Metadx) -> None:
    from metadx import __version__

    assert metadx("--version").ok().out == f"metadx {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("trian",), "trian"),
        (("train", "a.yaml", "--ot", "b"), "--ot"),
        (("train", "a.yaml"), "--out"),
        (("evaluate",), "run"),
        (("evaluate", "a", "--episodes", "many"), "--episodes"),
        (("demo", "--episodes", "0"), "--episodes"),
        (("demo", "--seed", "-1"), "--seed"),
        (("data", "gte"), "gte"),
    ],
)
def test_a_slip_in_the_arguments_is_named(arguments: tuple[str, ...], named: str, metadx: Metadx) -> None:
    said = metadx(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert named in said.err.lower()
    assert "Traceback" not in said.err


def test_help_and_data_do_not_wait_for_what_they_do_not_need() -> None:
    script = (
        "import sys\nfrom metadx.cli.app import app\n"
        "for arguments in (['--help'], ['evaluate', '--help'], ['data', 'list', '--json']):\n"
        "    try:\n        app(arguments)\n    except SystemExit as ended:\n        assert not ended.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=True
    )
    assert done.stderr.strip() == "[]"


def test_importing_the_package_is_quick_and_knows_what_it_exports() -> None:
    script = (
        f"import sys, metadx\nprint([name for name in {HEAVY} if name in sys.modules])\n"
        "for name in metadx.__all__:\n    assert callable(getattr(metadx, name)), name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=True
    )
    assert done.stdout.strip() == "[]"
