"""How a command ends: exit code 0 when all is well, 2 and one clear line for the user's mistake, 130 on Ctrl-C,
143 on SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from metadx.errors import Interrupted, Notice, UserError

MISTAKE, INTERRUPTED, PIPE_CLOSED = 2, 130, 1


class Commands(TyperGroup):
    """The commands of `metadx`; none of them ends with a traceback for what the user can mend."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a command and turns what stopped it into a line on stderr and an exit code."""
        try:
            with _notices():
                return super().invoke(ctx)
        except UserError as error:
            stop(str(error), MISTAKE)
        except Interrupted as asked:
            stop(str(asked), 128 + asked.signal)
        except KeyboardInterrupt:
            stop("stopped", INTERRUPTED)
        except OSError as error:
            if error.filename is None:
                raise
            stop(f"{error.filename}: {error.strerror}. Mend the path, its permissions or the disk.", MISTAKE)


@contextmanager
def _notices() -> Iterator[None]:
    """Every notice as one line on stderr; other warnings as Python shows them."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, Notice):
                _say(str(message))
            else:
                shown(message, category, *where, **more)

        warnings.showwarning = show
        yield


def run_program(program: Callable[[], object]) -> None:
    """Runs a whole program: SIGTERM lets it clean up, and a reader that has gone, such as `head`, is no error."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        try:
            program()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        stop("stopped", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)


def stop(message: str, code: int) -> NoReturn:
    """Ends the program with one line on stderr."""
    _say(message)
    sys.exit(code)


def _say(message: str) -> None:
    line = Text.assemble(("metadx: ", "bold red"), " ".join(message.splitlines()))
    Console(stderr=True, soft_wrap=True, highlight=False).print(line)
