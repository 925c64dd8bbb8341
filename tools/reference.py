"""Writes the tables in docs/ that repeat what the code says, between markers; `--check` only compares.

A block `<!-- generated: NAME -->` ... `<!-- end -->` becomes a table: `recipe`, `data`, or `algorithm NAME`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from metadx.algorithms import ALGORITHMS, TITLES
from metadx.cases import entries
from metadx.cases.own import Asked
from metadx.learners import MLP, ConvNet
from metadx.studies import Recipe
from metadx.studies.recipe import ColumnSettings, SplitSettings
from metadx.tasks import split_conditions

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
ARGUMENT = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n {8,}.*)*)", re.MULTILINE)
KEYS = "| key | takes | default | meaning |\n" + "|---" * 4 + "|\n"
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
FROM_DATA = ("network", "inputs", "width", "classes", "loss")


def meanings(documented: Any) -> dict[str, str]:
    """What the `Args:` of a docstring say of each name; of a class, those of the classes that it extends too."""
    bases = documented.__bases__ if isinstance(documented, type) else ()
    section = (inspect.getdoc(documented) or "").partition("Args:\n")[2]
    section = re.split(r"^\S", section, maxsplit=1, flags=re.MULTILINE)[0]
    found = {name: text for base in bases for name, text in meanings(base).items()}
    for match in ARGUMENT.finditer(section):
        for name in match["names"].split(", "):
            found[name] = " ".join(match["text"].split())
    return found


def line(key: str, takes: str, default: Any, meaning: str) -> str:
    """One row of a table of keys."""
    shown = "required" if default is dataclasses.MISSING else f"`{_plain(default)}`"
    shown = "" if default is inspect.Parameter.empty else shown
    meaning = re.sub(r"\bNone\b", "null", meaning).rstrip(".")
    cells = (f"`{key}`", takes, shown, meaning[:1].upper() + meaning[1:])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return '""' if value == "" else str(value)


def _words(kind: Any) -> str:
    """A type in words that suit YAML."""
    if isinstance(kind, str):
        return kind
    if typing.get_origin(kind) is typing.Annotated:
        return _words(typing.get_args(kind)[0]) + _limits(typing.get_args(kind)[1].metadata)
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{option}`" for option in typing.get_args(kind))
    inside = [a for a in typing.get_args(kind) if a not in (type(None), Ellipsis)]
    if typing.get_origin(kind) is Sequence:
        return "list of " + _words(inside[0])
    if typing.get_origin(kind) is tuple:
        same = Ellipsis in typing.get_args(kind)
        return "list of " + _words(inside[0]) if same else f"[{', '.join(_words(a) for a in inside)}]"
    if typing.get_origin(kind) is dict:
        return "mapping of settings to their values"
    if inside:
        return " or ".join(dict.fromkeys(_words(a) for a in inside))
    names = {
        dict: "mapping",
        int: "whole number",
        float: "number",
        str: "text",
        bool: "true or false",
        Path: "path",
    }
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def _limits(metadata: Any) -> str:
    found = [f" {BOUNDS[a]} {getattr(m, a):g}" for m in metadata for a in BOUNDS if hasattr(m, a)]
    return ",".join(found)


def recipe_table() -> str:
    """One section per part of a recipe, one row per key."""
    sections = {"": Recipe} | {
        name: field.annotation for name, field in Recipe.model_fields.items() if _is_model(field.annotation)
    }
    out = ""
    for name, model in sections.items():
        if name in ("learner", "algorithm"):
            continue
        out += f"\n## {f'`{name}`' if name else 'The whole'}\n\n{KEYS}{''.join(_model_rows(model))}"
        if name == "data":
            said = {**meanings(split_conditions), **meanings(SplitSettings)}
            out += f"\n### `data.columns`\n\n{KEYS}{''.join(_model_rows(ColumnSettings, meanings(Asked)))}"
            out += f"\n### `data.split`\n\n{KEYS}{''.join(_model_rows(SplitSettings, said))}"
    out += "\n## `learner`\n\n`name` is `auto` (an MLP for tables, a ConvNet for pictures), `mlp` or `convnet`.\n"
    for name, kind in (("mlp", MLP), ("convnet", ConvNet)):
        said, hints = meanings(kind), typing.get_type_hints(kind.__init__)
        parameters = list(inspect.signature(kind).parameters.values())[2:]
        rows = [
            line(p.name, _words(hints[p.name]), p.default, _options(said[p.name], kind)) for p in parameters
        ]
        out += f"\n### `{name}`\n\n{KEYS}{''.join(rows)}"
    out += "\n## `algorithm`\n\n`name` is one of these; each takes the settings listed with it.\n"
    for name in ALGORITHMS:
        rows_ = settings_rows(name)
        out += f"\n### `{name}`\n\n" + (KEYS + rows_ if rows_ else "No settings.\n")
    return out + "\n"


def _options(meaning: str, kind: type) -> str:
    """The meaning, with a table of the module that it names replaced by that table's keys."""
    table = vars(sys.modules[kind.__module__]).get(meaning.partition("`")[2].partition("`")[0], {})
    return f"one of {', '.join(table)}" if table else meaning


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_rows(model: type[BaseModel], said: Mapping[str, str] | None = None) -> Iterator[str]:
    said = said or meanings(model)
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            yield line(
                name,
                f"[section](#{name if model is Recipe else f'data{name}'})",
                dataclasses.MISSING if field.is_required() else inspect.Parameter.empty,
                _SECTIONS.get(name, ""),
            )
            continue
        default = dataclasses.MISSING if field.is_required() else field.default
        takes = _words(field.annotation) + _limits(field.metadata)
        yield line(name, takes, default, said.get(name, _SECTIONS.get(name, "")))


_SECTIONS = {
    "title": "what the report is called",
    "data": "where cases come from",
    "split": "how conditions are dealt out to meta-train, meta-validation and meta-test",
    "tasks": "how large a task is in meta-training",
    "auxiliary": "tasks made from the columns of a table, mixed into meta-training",
    "learner": "the base network",
    "algorithm": "how it is meta-learned and adapted",
    "training": "the outer loop",
    "evaluation": "what `metadx evaluate` measures, unless its options say otherwise",
    "tune": "what `metadx tune` searches",
}


def settings_rows(name: str) -> str:
    """The settings of an algorithm that a recipe may give."""
    kind: Any = ALGORITHMS[name]
    said, hints = meanings(kind), typing.get_type_hints(kind)
    return "".join(
        line(f.name, _words(hints[f.name]), f.default, said.get(f.name, ""))
        for f in sorted(dataclasses.fields(kind), key=lambda f: bool(f.kw_only))
        if f.name not in FROM_DATA
    )


def algorithm_table(name: str) -> str:
    """What an algorithm declares, and its settings."""
    kind: Any = ALGORITHMS[name]
    consumes = {"tasks": "tasks", "cases": "cases, pooled over conditions", "nothing": "nothing"}[
        kind.consumes
    ]
    rows = settings_rows(name)
    return (
        "| declared | |\n|---|---|\n"
        f"| name in recipes | `{name}` ({TITLES[name]}) |\n"
        f"| meta-learns from | {consumes} |\n"
        f"| direction is the exact gradient of its loss | {_declared(kind, 'exact_gradient')} |\n"
        f"| transductive | {_declared(kind, 'transductive')} |\n"
        f"| runs batched over tasks | {_declared(kind, 'tensors')} |\n"
        f"\n{KEYS + rows if rows else 'It has no settings.'}\n"
    )


def _declared(kind: Any, name: str) -> str:
    if any(f.name == name for f in dataclasses.fields(kind)):
        return f"if `{name}: true`"
    value = inspect.getattr_static(kind, name)
    if isinstance(value, property):
        return "depends on the settings; see above"
    if name == "exact_gradient" and kind.consumes == "nothing":
        return "there is no direction"
    return "yes" if value else "no"


def data_table() -> str:
    """The catalogue, one row per data set."""
    head = (
        "| name | what | kind | cases | classes | patients | licence | verified by |\n" + "|---" * 8 + "|\n"
    )
    rows = [
        f"| `{d.name}` | [{d.title}]({d.source}) | {d.modality} | {d.cases:,} | {d.classes} | {d.patients} "
        f"| {d.licence} | {re.sub(r' [(](md5|sha256):[0-9a-f]+[)]', '', d.verified_by)} |\n"
        for d in entries().values()
        if not d.size_of
    ]
    return head + "".join(rows)


def made(name: str) -> str:
    """The text of a block."""
    if name.startswith("algorithm "):
        return algorithm_table(name.removeprefix("algorithm "))
    return {"recipe": recipe_table, "data": data_table}[name]()


def main() -> int:
    """Rewrites, or with `--check` reports, pages whose tables are not what the code says."""
    stale = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        fresh = BLOCK.sub(lambda m: m[1] + made(m[2]) + m[3], text)
        if fresh != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(fresh, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"tables are not what the code says in {', '.join(stale)}: run tools/reference.py")
        return 1
    print("tables say what the code says" if not stale else f"rewrote {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
