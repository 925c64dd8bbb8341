"""A side of a comparison, seen from outside: the process that runs it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

HERE = Path(__file__).resolve().parent
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Failed(Exception):
    """A side cannot run; says why in one line."""


class Side(NamedTuple):
    """What takes part.

    Args:
        name: for people and in the names of rows.
        module: of `sides`.
        peer: whose environment it runs in; None for metadx's own.
        settings: handed to the side; None for its own.
        threads: as in `Worker.prepare`.
    """

    name: str
    module: str
    peer: str | None
    settings: Mapping[str, Any] | None = None
    threads: int | None = 0


class Contender:
    """A side at work in a process of its own, which `contender` starts and ends."""

    def __init__(self, side: Side, process: subprocess.Popen[str], said: IO[str]) -> None:
        self.side = side
        self._process, self._said = process, said
        self.version: str = self.ask("hello")["version"]

    def prepare(
        self, file: Path, device: str = "cpu", dtype: str = "float32", threads: int | None = None
    ) -> dict[str, Any]:
        """Gives it a problem; threads as in `Worker.prepare`."""
        settings = self.side.settings
        return self.ask(
            "prepare", file=str(file), dtype=dtype, device=device, settings=settings, threads=threads
        )

    def ask(self, do: str, **arguments: Any) -> Any:
        """One command, and its answer.

        Raises:
            Failed: it cannot do that, or the process ended; says why.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps({"do": do} | arguments) + "\n")
            stdin.flush()
        answer = stdout.readline()
        if answer:
            said = json.loads(answer)
            if "failed" in said:
                raise Failed(said["failed"])
            return said
        code = self._process.wait()
        self._said.seek(0)
        raise Failed((self._said.read().strip().splitlines() or [f"the process ended with {code}"])[-1])


@contextlib.contextmanager
def contender(side: Side, python: Path) -> Iterator[Contender]:
    """A contender that ends with the block.

    Raises:
        Failed: it does not start, or ends before its time.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _THREADS}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            [str(python), str(HERE / "worker.py"), side.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=environment,
        )
        try:
            yield Contender(side, process, said)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            process.wait()
