"""What the documentation shows is what happens: its commands, programs and recipes are run, its site is built.

Every ```python and ```bash block of a page is run in order, in one folder per page, and the ```yaml blocks with a
title are the files they are named after. A block after a line <!-- no-run -->, and those of the README, whose
commands take minutes, are not run: their options, targets, recipes and imports must exist.
"""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from metadx.algorithms import Dimensions, build_algorithm, suits
from metadx.cli.app import app, main
from metadx.studies import Recipe, parse_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"(?P<skip><!-- no-run -->\n)?^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
BIN = Path(sys.executable).parent
OVERVIEW = ROOT / "README.md"


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
        runs = match["skip"] is None and page != OVERVIEW
        yield Block(match["language"], match["title"], match["text"], start, runs)


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


@pytest.mark.parametrize("page", [p for p in PAGES if any(not b.run for b in blocks(p))], ids=name)
def test_what_a_page_shows_and_is_not_run_exists(page: Path) -> None:
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for block in (b for b in blocks(page) if not b.run):
        if block.language == "python":
            imports = [n for n in ast.parse(block.text).body if isinstance(n, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), str(page), "exec"), {})
        for command in block.text.splitlines() if block.language == "bash" else ():
            words = command.partition(" #")[0].split()
            if words[:1] == ["make"]:
                assert re.search(rf"^{words[1]}:", targets, re.MULTILINE), command
            elif words[:1] == ["metadx"]:
                _parse(words[1:])
            for recipe in (word for word in words if word.startswith("recipes/")):
                assert (ROOT / recipe).is_file(), command


def _parse(words: list[str]) -> None:
    """Refuses commands, arguments and options that do not exist; runs nothing."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("metadx", words)


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
    classes = recipe.data.function is None and suits(recipe.algorithm.name, classification=True)
    shapes = {"convnet": (1, 28, 28), **dict.fromkeys(("signalnet", "signalmlp", "tcn"), (7, 60))}
    shape = shapes.get(recipe.learner.name, (30,))
    size = Dimensions(shape, 5, 12, classification=classes)
    build_algorithm(recipe.algorithm, recipe.learner, size)


def test_tables_repeat_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    assert runpy.run_path(str(ROOT / "tools" / "reference.py"))["main"]() == 0, "run tools/reference.py"


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
