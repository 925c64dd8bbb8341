"""A look at a text file, line by line in bounded memory, before anything parses it."""

from __future__ import annotations

from pathlib import Path

from metadx.errors import UserError

MAX_LINE_BYTES = 1_000_000


def scan_text(path: Path) -> None:
    """Refuses a file that is no sound UTF-8 text, never holding more than one line of 1 MB.

    Args:
        path: the file.

    Raises:
        UserError: absent, not a regular file, empty, a line longer than 1 MB, NUL bytes, or not UTF-8.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file. Mend the path.")
    if not path.is_file():
        raise UserError(f"{path}: not a file. Give a CSV file.")
    offset, blank = 0, True
    with path.open("rb") as file:
        for number in range(1, 1 << 62):
            line = file.readline(MAX_LINE_BYTES + 1)
            if not line:
                break
            if len(line) > MAX_LINE_BYTES:
                raise UserError(
                    f"{path}: line {number} is longer than 1 MB. Is this a CSV with one case per line?"
                )
            if b"\0" in line:
                raise UserError(
                    f"{path}: NUL byte in line {number} (byte {offset + line.index(0)}): not a text file, or "
                    "UTF-16. Save it as UTF-8 CSV."
                )
            try:
                line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as why:
                raise UserError(
                    f"{path}: line {number} is not UTF-8 (byte {offset + why.start}). Save as UTF-8."
                ) from None
            blank = blank and not line.removeprefix(b"\xef\xbb\xbf").strip()
            offset += len(line)
    if blank:
        raise UserError(f"{path}: the file is empty. Give a header line and one line per case.")
