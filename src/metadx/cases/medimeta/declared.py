"""What the `info.yaml` of a MedIMeta data set declares: its tasks, their kinds and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from metadx.errors import UserError, nearest

INFO = "info.yaml"

KINDS = {
    "BINARY_CLASSIFICATION": "conditions",
    "MULTICLASS_CLASSIFICATION": "conditions",
    "MULTI_CLASS_CLASSIFICATION": "conditions",
    "ORDINAL_REGRESSION": "conditions",
    "ORDINAL_CLASSIFICATION": "conditions",
    "MULTILABEL_CLASSIFICATION": "several",
    "MULTI_LABEL_CLASSIFICATION": "several",
    "REGRESSION": "values",
}
"""Kinds of task by their `task_target`: one condition per picture, several labels, or a value."""

_MAX_INFO = 1_000_000


class TaskInfo(NamedTuple):
    """A task as `info.yaml` declares it: its name, its kind by `KINDS` ("" where it is not read), its labels."""

    name: str
    kind: str
    target: str
    labels: tuple[str, ...]


def read_info(root: Path) -> Mapping[str, Any]:
    """The content of a folder's `info.yaml`.

    Raises:
        UserError: there is none, it is no YAML, or lists no tasks.
    """
    file = root / INFO
    if not file.is_file():
        inside = [p.parent.name for p in sorted(root.glob(f"*/{INFO}"))] if root.is_dir() else []
        mend = (
            f"Give one of the folders {', '.join(inside[:6])}"
            if inside
            else "Give the folder of one data set"
        )
        raise UserError(f"{root}: no {INFO}. {mend}.")
    if file.stat().st_size > _MAX_INFO:
        raise UserError(f"{file}: larger than 1 MB. Is this MedIMeta?")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as why:
        said = " ".join(str(why).split())[:200]
        raise UserError(f"{file}: cannot be read as YAML ({said}). Get it again.") from why
    if not isinstance(content, dict) or not isinstance(content.get("tasks"), list) or not content["tasks"]:
        raise UserError(f"{file}: lists no tasks. Is this MedIMeta?")
    return content


def declared_tasks(info: Mapping[str, Any], root: Path) -> list[TaskInfo]:
    """Every task that it declares, of whatever kind.

    Raises:
        UserError: a task has no name that can be a file's, or its labels are not numbered and named.
    """
    found = []
    for one in info["tasks"]:
        name = one.get("task_name") if isinstance(one, dict) else None
        if (
            not isinstance(name, str)
            or not name
            or "/" in name
            or "\\" in name
            or "\0" in name
            or len(name) > 200
        ):
            raise UserError(f"{root / INFO}: a task without a name that can be a file's. Mend it.")
        target = str(one.get("task_target", ""))[:60]
        kind = KINDS.get(re.sub(r"[\s_-]+", "_", target.strip()).upper(), "")
        found.append(TaskInfo(name, kind, target, _label_names(one.get("labels"), name, root)))
    return found


def _label_names(labels: Any, task: str, root: Path) -> tuple[str, ...]:
    """The names of labels, by their number from 0; none are needed for values."""
    if labels is None:
        return ()
    if isinstance(labels, list):
        labels = dict(enumerate(labels))
    if not isinstance(labels, dict) or sorted(map(str, labels)) != sorted(map(str, range(len(labels)))):
        raise UserError(f"{root / INFO}: the labels of task '{task}' are not numbered from 0. Mend them.")
    by_number = {str(number): " ".join(str(name).split())[:200] for number, name in labels.items()}
    names = tuple(by_number[str(number)] for number in range(len(labels)))
    if len(set(names)) < len(names) or "" in names:
        raise UserError(
            f"{root / INFO}: two labels of task '{task}' have one name, or one has none. Mend them."
        )
    return names


def chosen_task(tasks: Sequence[TaskInfo], name: str | None, root: Path) -> TaskInfo:
    """The task of that name, or the only one.

    Raises:
        UserError: there are several and none is named, none has that name, or it is of a kind that is not read.
    """
    listed = ", ".join(f"'{one.name}' ({one.target})" for one in tasks[:20])
    if name is None and len(tasks) > 1:
        raise UserError(f"{root}: {len(tasks)} tasks: {listed}. Choose one with task=.")
    chosen = tasks[0] if name is None else next((one for one in tasks if one.name == name), None)
    if chosen is None:
        raise UserError(f"{root}: no task '{str(name)[:60]}'; {nearest(str(name), [t.name for t in tasks])}.")
    if not chosen.kind:
        raise UserError(
            f"{root}: task '{chosen.name}' is {chosen.target or 'of no kind'}, which is not read. Read are binary, "
            "multi-class and multi-label classification, ordinal regression and regression."
        )
    if chosen.kind != "values" and len(chosen.labels) < (1 if chosen.kind == "several" else 2):
        raise UserError(f"{root / INFO}: task '{chosen.name}' declares {len(chosen.labels)} labels. Mend it.")
    return chosen
