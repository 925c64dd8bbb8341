"""Fails on a link in README.md or docs/ that leads to no file or no heading."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+\s+(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def dead_links(page: Path) -> list[str]:
    """Targets of the page's links that do not exist; addresses on the web are not visited."""
    dead = []
    for groups in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        target = groups[0] or groups[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / unquote(path)).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            dead.append(f"{page.relative_to(ROOT)}: {target}")
    return dead


def main() -> int:
    """Prints the dead links; 1 if there are any."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    dead = [line for page in pages for line in dead_links(page)]
    print("\n".join(dead) or f"{len(pages)} pages, no dead link")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main())
