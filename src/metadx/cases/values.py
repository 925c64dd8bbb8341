"""Reading one patient's values for a model that predicts them: rows of a table, or readings of a sensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.columns import numbers
from metadx.cases.inputs import Inputs
from metadx.cases.observations import Observations, features_of, text_column
from metadx.cases.signals.glucose import READER, read_histories
from metadx.cases.tables import parse_table
from metadx.errors import UserError


def read_values(path: str | Path, inputs: Inputs, quantity: str = "") -> Observations:
    """Cases of one patient in the order of time, with their values as far as the file has them.

    Args:
        path: a CSV of the columns of the training, or what the reader of the training takes of one person.
        inputs: what the model takes.
        quantity: the column of the values; one called 'label' is taken for it too.

    Raises:
        UserError: signals that are not read from a file of one person, a column that is missing or renamed, or what
            the reader of the file refuses.
    """
    file = Path(path)
    if not inputs.rows:
        return _readings(file, inputs)
    columns = parse_table(file)
    x = features_of(columns, inputs, file)
    time: NDArray[np.float64] | None = None
    order = np.arange(len(x))
    if inputs.time is not None:
        order = np.argsort(x[:, inputs.time], kind="stable")
        time = x[order, inputs.time]
    names = [name for name in (quantity, "label") if name in columns and name not in inputs.features]
    value = numbers(columns[names[0]], f"{file}: column '{names[0]}'")[order] if names else None
    patient = text_column(columns, "patient", file)
    who = None if patient is None else tuple(patient[row] for row in order)
    return Observations(x[order], tuple(f"row {row + 1}" for row in order), None, who, value, time)


def _readings(path: Path, inputs: Inputs) -> Observations:
    """One person's readings, named by their times."""
    if inputs.reader != READER:
        raise UserError(
            f"{path}: this model takes {inputs.modality} cases that metadx does not read from a file of one person "
            "yet. Read them in Python, and adapt with metadx.Forecaster."
        )
    history, horizon = inputs.reach
    read = read_histories(path, horizon=horizon, history=history, samples=inputs.shape[-1])
    return Observations(read.x, read.written, value=read.y, time=read.minutes)
