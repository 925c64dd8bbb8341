"""How a command ends: exit code 0 when all is well, 2 and one clear line for the user's mistake, 130 on Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from metadx.errors import UserError

MISTAKE, INTERRUPTED, PIPE_CLOSED = 2, 130, 1


class Commands(TyperGroup):
    """The commands of `metadx`; none of them ends with a traceback for what the user can mend."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a command and turns what stopped it into a line on stderr and an exit code."""
        try:
            value = super().invoke(ctx)
            sys.stdout.flush()
        except UserError as error:
            stop(str(error), MISTAKE)
        except KeyboardInterrupt:
            stop("stopped", INTERRUPTED)
        except BrokenPipeError:
            _leave_closed_pipe()
        except OSError as error:
            if error.filename is None:
                raise
            what = (
                f"{error.filename}: {error.strerror}. Mend the path, its permissions or the room on the disk."
            )
            stop(what, MISTAKE)
        return value


def stop(message: str, code: int) -> NoReturn:
    """Ends the program with one line on stderr."""
    line = Text.assemble(("metadx: ", "bold red"), " ".join(message.splitlines()))
    Console(stderr=True, soft_wrap=True, highlight=False).print(line)
    sys.exit(code)


def _leave_closed_pipe() -> NoReturn:
    """Whoever read the output, such as `head`, has gone: what is left of it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(PIPE_CLOSED)
