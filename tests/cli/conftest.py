"""The `metadx` program, in this process where that is enough, and as a program of its own where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def ok(self) -> Outcome:
        """The same, once the command has succeeded."""
        assert self.code == 0, self.err
        return self

    def mistake(self) -> str:
        """The one line that says what to mend."""
        assert self.code == 2, (self.code, self.out, self.err)
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("metadx: ")
        assert "Traceback" not in self.err
        assert self.out == ""
        return lines[0].removeprefix("metadx: ")


Metadx = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _quiet_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wide terminal without colours, and downloads that would go to a place of the test's own."""
    for name, value in {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("METADX_CACHE", str(tmp_path.with_name(tmp_path.name + "-cache")))


@pytest.fixture
def metadx(capfd: pytest.CaptureFixture[str]) -> Metadx:
    """Runs a command as the program does, in this process."""
    from metadx.cli.app import app

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            app([str(a) for a in arguments], prog_name="metadx")
        said = capfd.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, said.out, said.err)

    return run


@pytest.fixture
def program() -> Metadx:
    """Runs the installed program in a process of its own."""

    def run(*arguments: object, **options: Any) -> Outcome:
        done = subprocess.run(
            [str(executable()), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, **options.pop("env", {})},
            **options,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


def executable() -> Path:
    """The `metadx` beside the Python that runs the tests."""
    return Path(sys.executable).with_name("metadx")


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, to see later whether it has changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"/"
        for path in sorted(folder.rglob("*"))
    }
