"""Damaging files by a seed: bytes, fields, pieces and lines changed, put in, cut, doubled, moved or swapped."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

WORDS = (
    *(
        b"nan",
        b"inf",
        b"-1e999",
        b"1e308",
        b"99999999999999999999",
        b"100000",
        b"1_0",
        b"-0",
        b"",
        b"?",
        b"''",
    ),
    *(b'"', b"{", b"}", b",", b";", b"|", b"=", b"%", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf"),
    *(b"__MACOSX", b"label", b"patient", b"<DEL>", b"./.", b"mmol/L", b"mg/dL", b"1,5"),
)
ABSURD = (0, 1, -1, 100_000, 2**31 - 1, -(2**31))

Way = Callable[[bytearray, int, int, np.random.Generator], None]
"""A way to damage the bytes from a place to an end, in place."""


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with one damage, or two, or four."""
    made = bytearray(content)
    ways = _ANY + (_TEXT if content.isascii() else _BINARY)
    for _ in range(int(rng.choice((1, 1, 1, 2, 4)))):
        at = int(rng.integers(0, len(made) + 1))
        end = min(len(made), at + int(rng.choice((1, 2, 4, 8, 40))))
        ways[int(rng.integers(0, len(ways)))](made, at, end, rng)
    return bytes(made)


def _another_byte(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    made[at : at + 1] = bytes([rng.integers(256)])


def _flip(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    made[at : at + 1] = bytes(byte ^ (1 << int(rng.integers(8))) for byte in made[at : at + 1])


def _put_in(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    made[at:at] = WORDS[int(rng.integers(len(WORDS)))]


def _put_over(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    made[at:end] = WORDS[int(rng.integers(len(WORDS)))]


def _cut(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    del made[at:end]


def _double(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    made[at:at] = made[at:end]


def _truncate(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    if rng.random() < 0.3:
        del made[at:]


def _absurd_field(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    kind = str(rng.choice(("<i2", ">i2", "<i4", ">i4")))
    field = np.array(rng.choice(ABSURD)).astype(kind).tobytes()
    made[at : at + len(field)] = field


def _other_byte_order(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    width = int(rng.choice((2, 4, 8)))
    for number in range(at, end, width):
        made[number : number + width] = made[number : number + width][::-1]


def _other_digit(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    digits = [found.start() for found in re.finditer(rb"\d", made)]
    if digits:
        made[int(rng.choice(digits))] = ord("0") + int(rng.integers(10))


def _cells_swapped(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    _swap(made, rb"[^\s,;\t]+", rng)


def _lines_swapped(made: bytearray, at: int, end: int, rng: np.random.Generator) -> None:
    _swap(made, rb"[^\n]+", rng)


def _swap(made: bytearray, pattern: bytes, rng: np.random.Generator) -> None:
    places = [found.span() for found in re.finditer(pattern, made)]
    if len(places) > 1:
        (a, b), (c, d) = (places[int(n)] for n in np.sort(rng.choice(len(places), 2, replace=False)))
        made[a:d] = made[c:d] + made[b:c] + made[a:b]


_ANY: tuple[Way, ...] = (_another_byte, _flip, _put_in, _put_over, _cut, _double, _truncate)
_BINARY: tuple[Way, ...] = (_absurd_field, _other_byte_order)
_TEXT: tuple[Way, ...] = (_other_digit, _other_digit, _cells_swapped, _lines_swapped)
