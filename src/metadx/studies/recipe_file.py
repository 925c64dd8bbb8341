"""Reading a recipe: YAML into settings, and every mistake in it in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from metadx.errors import UserError, nearest
from metadx.studies.recipe import EvaluationSettings, Recipe


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe; paths in it are relative to its folder.

    Raises:
        UserError: it is no YAML, lacks something, has an unknown key (names the nearest known one) or a value
            out of range.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such recipe. The ones that ship are in `recipes/`.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8. Save the recipe as UTF-8.") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())[:300]
        raise UserError(f"{path}: cannot be read as YAML: {why}. Mend that line.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a recipe is a mapping with `data` and `algorithm`; see `recipes/`.")
    recipe = parse_recipe(content, str(path))
    here = path.resolve().parent
    found: dict[str, Any] = {
        k: here / v for k in ("csv", "folder", "own", "store") if (v := getattr(recipe.data, k)) is not None
    }
    if recipe.data.sets is not None:
        found["sets"] = recipe.data.sets.beside(here)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=found)})


def parse_evaluation(settings: EvaluationSettings, changes: dict[str, Any]) -> EvaluationSettings:
    """Evaluation settings with some of them changed; raises `UserError` like `read_recipe`."""
    try:
        return EvaluationSettings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        raise UserError(f"evaluation: {_explain_all(error, EvaluationSettings)}") from error


def parse_recipe(content: dict[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from a mapping; raises `UserError` like `read_recipe`."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: {_explain_all(error, Recipe)}") from error


def differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """What differs between two mappings of mappings: dotted names with both values."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        if before != now:
            yield name, before, now
        return
    for key in dict.fromkeys((*before, *now)):
        yield from differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as it is in YAML 1.2, and no key is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _explain_all(error: ValidationError, model: type[BaseModel]) -> str:
    """Every mistake once, in the order of the recipe; alternatives of one value joined by "or"."""
    said: dict[str, list[str]] = {}
    for mistake in error.errors():
        place, words = _explain(mistake, model)
        said.setdefault(place, []).append(words)
    return "; ".join(f"{place}{' or '.join(dict.fromkeys(words))}" for place, words in said.items())


def _explain(mistake: Any, model: Any) -> tuple[str, str]:
    """Where a mistake is, and what it is."""
    parts: list[str] = []
    known: list[str] = list(model.model_fields)
    for part in mistake["loc"]:
        if mistake["type"] == "extra_forbidden" and len(parts) + 1 == len(mistake["loc"]):
            return f"unknown key '{'.'.join([*parts, str(part)])}'; ", nearest(str(part), known)
        if known and part not in known:
            break
        parts.append(str(part))
        field = model.model_fields.get(part) if known else None
        model = field.annotation if field else None
        known = list(getattr(model, "model_fields", {}))
        if not known:
            break
    place = ".".join(parts)
    if mistake["type"] == "missing":
        return f"'{place}' ", "is missing" if len(parts) == len(mistake["loc"]) else "has too few values"
    given = "" if isinstance(mistake["input"], dict | list | BaseModel) else f" is {mistake['input']!r:.60}"
    return f"'{place}'{given}: " if place else "", _words(mistake)


def _words(mistake: Any) -> str:
    known = {"model_type": "must be a mapping of settings", "tuple_type": "must be a list"}
    message: str = known.get(mistake["type"]) or mistake["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]
