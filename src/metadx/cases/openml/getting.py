"""Getting data sets, tasks and suites of OpenML into the cache of its own package, when asked."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metadx.cases.openml.address import parse_address
from metadx.cases.openml.cache import find_data, find_task, folder, package, read_description
from metadx.cases.openml.medicine import is_medical
from metadx.cases.openml.suites import Member, suite_file
from metadx.durable import write_text
from metadx.errors import MissingData, UserError

_WITHOUT_PARQUET = "OPENML_SKIP_PARQUET"


def get_openml(name: str) -> Path:
    """Where a data set, task or suite lies after getting what is missing of it.

    The ARFF file is taken, whose checksum OpenML says and which declares its columns. Of a suite the data sets of
    medicine are taken. Features and qualities are not asked for: the package keeps those as pickles.

    Args:
        name: such as `openml:100`.

    Raises:
        UserError: a wrong name, the package is not installed, or the server refuses.
        MissingData: the server cannot be reached; says what else to do.
    """
    address = parse_address(name)
    if address.kind == "suite":
        return _suite(name, address.number)
    number = address.number
    if address.kind == "task":
        number, _ = find_task(number) or _task(name, number)
    return _data(name, number)


def _data(name: str, number: int) -> Path:
    held = find_data(number)
    if held is None:
        with _asking(name) as openml:
            openml.datasets.get_dataset(
                number, download_data=True, download_qualities=False, download_features_meta_data=False
            )
        held = find_data(number)
    if held is None:
        raise UserError(f"{name}: what came has no table. Look at https://www.openml.org/d/{number}.")
    return held.file.parent


def _task(name: str, number: int) -> tuple[int, str]:
    with _asking(name):
        from openml.tasks.functions import _get_task_description  # `get_task` would also unpickle features

        _get_task_description(number)
    found = find_task(number)
    if found is None:
        raise UserError(f"{name}: what came is no task. Look at https://www.openml.org/t/{number}.")
    return found


def _suite(name: str, number: int) -> Path:
    with _asking(name) as openml:
        suite = openml.study.get_suite(number)
    members = []
    targets = dict(_of_task(f"openml:task:{task}", task) for task in suite.tasks or ())
    for data in suite.data or ():
        with _asking(f"openml:{data}") as openml:
            openml.datasets.get_dataset(
                data, download_data=False, download_qualities=False, download_features_meta_data=False
            )
        said = read_description(folder() / "datasets" / str(data) / "description.xml", data)
        target = targets.get(data, "")
        members.append(Member(data, said.name, said.tags, target if target != said.target else ""))
    for member in members:
        if is_medical(member.name, member.tags):
            _data(f"openml:{member.number}", member.number)
    file = suite_file(folder(), number)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps([list(member) for member in members], indent=1) + "\n")
    return file


def _of_task(name: str, number: int) -> tuple[int, str]:
    return find_task(number) or _task(name, number)


@contextlib.contextmanager
def _asking(name: str) -> Iterator[Any]:
    """The package, whose errors become one line; and without Parquet, which comes without a checksum."""
    openml = package()
    import requests

    before = os.environ.get(_WITHOUT_PARQUET)
    os.environ[_WITHOUT_PARQUET] = "true"
    try:
        yield openml
    except UserError:
        raise
    except openml.exceptions.OpenMLServerException as why:
        raise UserError(f"{name}: OpenML refuses ({_words(why)}). Is the number right?") from why
    except openml.exceptions.OpenMLHashException as why:
        raise UserError(
            f"{name}: has not the checksum that OpenML says. It was cut short: try again."
        ) from why
    except (requests.RequestException, openml.exceptions.PyOpenMLError, OSError) as why:
        raise MissingData(
            f"{name} cannot be had from {openml.config.server} ({_words(why)}). Check the network, or copy its "
            f"folder from another machine's OpenML cache to {folder()}."
        ) from why
    except (KeyError, TypeError, ValueError) as why:
        raise UserError(f"{name}: OpenML's answer cannot be understood ({_words(why)}). Try again.") from why
    finally:
        if before is None:
            os.environ.pop(_WITHOUT_PARQUET, None)
        else:
            os.environ[_WITHOUT_PARQUET] = before


def _words(why: BaseException) -> str:
    return " ".join(str(why).split())[:160] or type(why).__name__
