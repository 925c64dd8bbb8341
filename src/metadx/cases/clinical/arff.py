"""Parsing ARFF: declared attributes, quoted words, missing values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.textfile import short_text, text_lines
from metadx.errors import UserError

_NUMERIC = frozenset(("numeric", "real", "integer"))
_OTHER = frozenset(("string", "date", "relational"))
_NAME = re.compile(r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'"{},%]+))\s*(.*)$""")
_TOKEN = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"]*))\s*(?:,|$)""")
_ESCAPE = re.compile(r"\\(.)")

MAX_CELLS = 50_000_000


class Attribute(NamedTuple):
    """A declared column: its name, its kind, and its levels where it is nominal."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()


class Arff(NamedTuple):
    """A parsed file: attributes in order, and the cells of each as text, None where missing."""

    relation: str
    attributes: tuple[Attribute, ...]
    columns: tuple[NDArray[np.object_], ...]

    def column(self, name: str) -> NDArray[np.object_]:
        """The cells of the attribute called `name`, shape (cases,)."""
        return self.columns[[attribute.name for attribute in self.attributes].index(name)]


def parse_arff(path: str | Path) -> Arff:
    """Reads a dense ARFF file. An unquoted `?` or an empty cell is missing; a quoted one is that word.

    Raises:
        UserError: the file is no text, a declaration or row cannot be read, a value is not among the declared ones,
            or rows are sparse; says which line.
    """
    file = Path(path)
    with text_lines(file) as lines:
        return _parsed(((number, line.strip()) for number, line in enumerate(lines, start=1)), file)


def _parsed(lines: Iterator[tuple[int, str]], file: Path) -> Arff:
    relation, attributes = _header(lines, file)
    names = [attribute.name for attribute in attributes]
    twice = (
        next((name for name in names if names.count(name) > 1), None)
        if len(set(names)) < len(names)
        else None
    )
    if twice is not None:
        raise UserError(f"{file}: two attributes are named '{twice[:60]}'. Rename one.")
    known = [frozenset(attribute.levels) for attribute in attributes]
    rows: list[list[str | None]] = []
    for number, line in lines:
        if not line or line.startswith("%"):
            continue
        if line.startswith("{"):
            raise UserError(
                f"{file}: line {number} is a sparse row ({{index value, ...}}). Save the file with dense rows."
            )
        row = _cells(line, f"{file}: line {number}")
        if len(row) != len(attributes):
            raise UserError(
                f"{file}: line {number} has {len(row)} values for {len(attributes)} attributes. Mend that row."
            )
        for cell, levels, attribute in zip(row, known, attributes, strict=True):
            if levels and cell is not None and cell not in levels:
                raise UserError(
                    f"{file}: line {number}: '{cell[:40]}' is not among the declared values of "
                    f"'{attribute.name[:60]}'. Mend the value, or declare it."
                )
        rows.append(row)
        if len(rows) * len(attributes) > MAX_CELLS:
            raise UserError(f"{file}: more than {MAX_CELLS:,} values. Keep fewer cases or attributes.")
    if not rows:
        raise UserError(f"{file}: no rows below @data. Add one row per case.")
    columns = tuple(np.asarray([row[at] for row in rows], dtype=object) for at in range(len(attributes)))
    return Arff(relation, attributes, columns)


def _header(lines: Iterator[tuple[int, str]], path: Path) -> tuple[str, tuple[Attribute, ...]]:
    relation, attributes = "", list[Attribute]()
    for number, line in lines:
        if not line or line.startswith("%"):
            continue
        what = f"{path}: line {number}"
        word, _, rest = line.replace("\t", " ", 1).partition(" ")
        match word.lower():
            case "@relation":
                relation = _named(rest.strip(), what)[0] if rest.strip() else ""
            case "@attribute":
                attributes.append(_attribute(rest.strip(), what))
            case "@data":
                if not attributes:
                    raise UserError(f"{path}: no @attribute before @data. Is this an ARFF file?")
                return relation, tuple(attributes)
            case _:
                raise UserError(
                    f"{what}: '{line[:40]}' is neither @relation, @attribute nor @data. Is this an ARFF file?"
                )
    raise UserError(f"{path}: no @data. Is this an ARFF file, and whole?")


def _attribute(text: str, what: str) -> Attribute:
    name, kind = _named(text, what)
    if kind.startswith("{"):
        inside, closed, _ = kind[1:].rpartition("}")
        if not closed:
            raise UserError(f"{what}: the values of '{name[:60]}' have no closing bracket. Mend the line.")
        levels = [level for level in _cells(inside, what) if level is not None]
        if not levels or len(set(levels)) < len(levels):
            raise UserError(
                f"{what}: the values of '{name[:60]}' are none, or one comes twice. Mend the line."
            )
        short_text(levels, f"{what}: the values of '{name[:60]}'")
        return Attribute(name, "nominal", tuple(levels))
    word = re.split(r"[\s\[]", kind, maxsplit=1)[0].lower()
    if word in _NUMERIC:
        return Attribute(name, "numeric")
    if word in _OTHER:
        return Attribute(name, word)
    raise UserError(
        f"{what}: '{name[:60]}' is of the unknown kind '{kind[:40]}'. Use numeric, or {{values}}."
    )


def _named(text: str, what: str) -> tuple[str, str]:
    match = _NAME.match(text)
    if match is None:
        raise UserError(f"{what}: no name can be read in '{text[:40]}'. Mend the quotes.")
    quoted = match[1] if match[1] is not None else match[2]
    name = _ESCAPE.sub(r"\1", quoted) if quoted is not None else match[3]
    if not name.strip():
        raise UserError(f"{what}: an empty name. Name it.")
    return name, match[4]


def _cells(line: str, what: str) -> list[str | None]:
    """The cells of a row, or the values of a declaration; None where missing."""
    if "'" not in line and '"' not in line:
        return [None if (word := cell.strip()) in ("?", "") else word for cell in line.split(",")]
    cells: list[str | None] = []
    at = 0
    while at <= len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            raise UserError(f"{what}: the quotes do not match near '{line[at : at + 40]}'. Mend them.")
        quoted = match[1] if match[1] is not None else match[2]
        if quoted is not None:
            cells.append(_ESCAPE.sub(r"\1", quoted))
        else:
            word = match[3].strip()
            cells.append(None if word in ("?", "") else word)
        if match.end() >= len(line) and not match[0].endswith(","):
            break
        at = match.end()
    return cells
