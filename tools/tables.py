"""Writes the tables of README.md and docs/ from results/*.json, between markers; `--check` only compares.

A block `<!-- results: PATTERN -->` ... `<!-- end -->` becomes a table of the rows whose id matches the pattern, or
one of several with commas between; `<!-- targets: PATTERN -->` of those among them that have a target;
`<!-- ranked: PATTERN -->` of all of them, the best first.
"""

from __future__ import annotations

import fnmatch
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- (results|targets|ranked): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "| what | metric | measured | 95 % interval | n | target | command | hardware, date |\n"
    + "|---" * 8
    + "|\n"
)


@cache
def measured() -> tuple[dict[str, Any], ...]:
    """Every result row, in order of id."""
    return tuple(json.loads(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "results").glob("*.json")))


def rows(kind: str, patterns: str) -> list[dict[str, Any]]:
    """The result rows that a block shows, pattern by pattern, in order of id."""
    found = [row for each in patterns.split(",") for row in measured() if fnmatch.fnmatch(row["id"], each)]
    if kind == "ranked":
        return sorted(found, key=_rank)
    return [row for row in found if kind == "results" or row["target"] is not None]


def _rank(row: dict[str, Any]) -> tuple[bool, float]:
    """The best first, what was not run last."""
    value = row["value"] or 0.0
    return row["value"] is None, -value if row["better"] == "higher" else value


def table(kind: str, patterns: str) -> str:
    """A Markdown table of the rows of a block."""
    return HEAD + "".join(_line(row) for row in rows(kind, patterns))


def _line(row: dict[str, Any]) -> str:
    if row["value"] is None:
        measured, interval = f"not run: {row.get('why', '')}", ""
    else:
        measured = f"**{row['value']:.4g}**" if _met(row) else f"{row['value']:.4g}"
        interval = "" if row["low"] is None else f"{row['low']:.4g} to {row['high']:.4g}"
    target = "" if row["target"] is None else f"{'≥' if row['better'] == 'higher' else '≤'} {row['target']:g}"
    cells = (row["what"], row["metric"], measured, interval, row["n"], target, f"`{row['command']}`")
    return "| " + " | ".join(str(c) for c in cells) + f" | {row['hardware']}, {row['date']} |\n"


def _met(row: dict[str, Any]) -> bool:
    if row["target"] is None:
        return False
    return bool(row["value"] >= row["target"] if row["better"] == "higher" else row["value"] <= row["target"])


def main() -> int:
    """Rewrites, or with `--check` reports, pages whose tables are not what results/ says."""
    stale, shown = [], set[str]()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        blocks = BLOCK.findall(text)
        shown |= {row["id"] for _, kind, patterns, _ in blocks for row in rows(kind, patterns)}
        fresh = BLOCK.sub(lambda m: m[1] + table(m[2], m[3]) + m[4], text)
        if fresh != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(fresh, encoding="utf-8")
    hidden = [row["id"] for row in measured() if row["id"] not in shown]
    if hidden:
        print(f"no table shows {', '.join(hidden)}: add a block for it to a page of docs/results/")
        return 1
    if stale and "--check" in sys.argv:
        print(f"tables are not what results/ says in {', '.join(stale)}: run tools/tables.py")
        return 1
    print(
        f"tables up to date; rewrote {len(stale)} pages" if "--check" not in sys.argv else "tables up to date"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
