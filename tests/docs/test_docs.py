"""What the documentation shows is what happens: its commands, programs and recipes are run, its site is built.

Every ```python and ```bash block of a page is run in order, in one folder per page, and the ```yaml blocks with a
title are the files they are named after. A block after a line <!-- no-run --> is left alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from metadx.cli.app import main
from metadx.studies import Recipe, build_algorithm, parse_recipe
from metadx.studies.registry import Dimensions

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"(?P<skip><!-- no-run -->\n)?^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
BIN = Path(sys.executable).parent


class Block(NamedTuple):
    """A block of code, and the line of the page it begins at."""

    language: str
    title: str | None
    text: str
    line: int
    run: bool


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        start = text.count("\n", 0, match.start("text"))
        yield Block(match["language"], match["title"], match["text"], start, match["skip"] is None)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


RUNNABLE = [p for p in PAGES if any(b.run and b.language in ("python", "bash") for b in blocks(p))]


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_what_a_page_shows_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("METADX_DATA", raising=False)
    variables: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if not block.run:
            continue
        if block.title is not None:
            Path(block.title).write_text(block.text, encoding="utf-8")
        if block.language == "python":
            code = "\n" * block.line + block.text  # so that a traceback shows the line of the page
            exec(compile(code, str(page), "exec", dont_inherit=True), variables)
        elif block.language == "bash":
            _shell(block, page, monkeypatch)
    capfd.readouterr()


def _shell(block: Block, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the lines of a block; `metadx` in this process, because starting another takes seconds."""
    for command in block.text.replace("\\\n", " ").splitlines():
        words = command.partition(" #")[0].split()
        if words[:1] == ["metadx"]:
            monkeypatch.setattr(sys, "argv", words)
            code: Any = None
            try:
                main()
            except SystemExit as end:
                code = end.code
            assert code in (None, 0), f"{name(page)}: `{command}` ended with {code}"
        elif words:
            subprocess.run(["bash", "-c", command], check=True, timeout=60)


def recipes() -> Iterator[Any]:
    """Every YAML block that is a recipe or the algorithm of one."""
    for page in PAGES:
        for block in blocks(page):
            content = yaml.safe_load(block.text) if block.language == "yaml" else None
            if isinstance(content, dict) and "algorithm" in content:
                yield pytest.param(content, id=f"{name(page)}:{block.line}")


@pytest.mark.parametrize("content", list(recipes()))
def test_recipes_in_the_pages_are_accepted(content: dict[str, Any]) -> None:
    recipe: Recipe = parse_recipe({"data": {"name": "thyroid"}} | content)
    classes = recipe.data.function is None
    convolutional = recipe.learner.name == "convnet"
    size = Dimensions((1, 28, 28) if convolutional else (30,), 5, 12, classification=classes)
    build_algorithm(recipe.algorithm, recipe.learner, size)


@pytest.mark.parametrize("tool", ["reference.py", "check_links.py"])
def test_pages_repeat_what_the_code_says_and_link_to_what_exists(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / tool, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_site_builds_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loads = re.compile(
        r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?(https?:)?//|<link\b[^>]*\brel=\"?(?:stylesheet|preconnect)"
        r"\"?[^>]*href=\"?(https?:)?//"
    )
    for file in tmp_path.rglob("*.html"):
        assert not loads.search(file.read_text(encoding="utf-8")), file
