"""From a run to a diagnoser: the model it trained, adapted to labelled cases from a file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from metadx.algorithms import TITLES, Dimensions
from metadx.cases import Inputs, Observations, odd_units, read_observations, read_values
from metadx.diagnosis import About, Diagnoser, Forecaster, MetaModel, Spec, Target, for_columns
from metadx.errors import UserError
from metadx.evaluation import EvaluationResult
from metadx.learners import choose_learner
from metadx.studies.runs import Run, load_inputs, load_run

EVALUATION = "evaluation.json"


def load_model(run: str | Path) -> MetaModel:
    """The model of a run folder.

    Raises:
        UserError: no finished run is there, or as `model_of`.
    """
    return model_of(load_run(Path(run)))


def model_of(run: Run) -> MetaModel:
    """The model that a run trained.

    Raises:
        UserError: the run is of functions, transductive, or damaged.
    """
    recipe = run.recipe
    if recipe.data.function is not None:
        raise UserError(f"{run.folder}: predicts values of a function; a diagnosis needs conditions.")
    inputs = load_inputs(run)
    try:
        size = Dimensions(**run.summary["dimensions"])
        spec = Spec(
            algorithm=recipe.algorithm,
            learner=choose_learner(recipe.learner, tuple(size.input_shape), gaps=size.gaps),
            input_shape=tuple(size.input_shape),
            outputs=size.outputs,
            classes=size.classes,
            seed=recipe.training.seed,
            classification=size.classification,
            conditions=_fixed(run),
        )
        about, target = _about(run), _target(run)
    except UserError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.folder}: the run is damaged (run.json). Train it again.") from error
    return MetaModel(spec.build(), run.params, run.state, inputs, spec, about, target)


def adapt_run(
    run: Run,
    support: Path,
    *,
    units_checked: bool = False,
    task: str | None = None,
    label: str | None = None,
) -> Diagnoser | Forecaster:
    """A diagnoser, or a forecaster: the run's model, adapted to the labelled cases or the values of a file.

    Args:
        support: a CSV with a column `label` and the columns of the training, class folders of pictures or scans,
            or a set as `read_observations` takes it; for a model of values a file as `read_values` takes it.
        units_checked: take columns that look as if they were in another unit.
        task, label: of a set, as in `read_observations`.

    Raises:
        UserError: the cases are not what the model takes, are in another unit, or have no labels.
    """
    model = model_of(run)
    if model.target is not None:
        return _forecaster(model, model.target, support, units_checked)
    cases = read_observations(support, model.inputs, task=task, label=label)
    if cases.label is None:
        mend = (
            f"Name a column 'label' in {support}"
            if support.suffix.lower() == ".csv"
            else "Put the pictures of each condition into a folder of its own"
        )
        raise UserError(f"{support}: no labels. A support set says the diagnosis of each case. {mend}.")
    if not units_checked:
        refuse_odd_units(model.inputs, cases, support)
    if model.inputs.open:
        model = for_columns(model, cases.x, cases.features)
    return Diagnoser(model).fit(cases.x, np.asarray(cases.label), cases.name)


def _forecaster(model: MetaModel, target: Target, support: Path, units_checked: bool) -> Forecaster:
    """A forecaster of one patient, adapted to those cases of a file whose value is known."""
    cases = read_values(support, model.inputs, target.quantity)
    if cases.value is None:
        raise UserError(
            f"{support}: no column '{target.quantity or 'label'}', which the model predicts. A support set says "
            "the value of each case."
        )
    people = sorted(set(cases.patient or ()))
    if len(people) > 1:
        raise UserError(
            f"{support}: cases of {len(people)} patients ({people[0]}, {people[1]} ...), but a model of values is "
            "adapted to one. Write a file for each."
        )
    known = np.isfinite(cases.value)
    if not known.any():
        raise UserError(
            f"{support}: the value of no case is known. Give a longer recording, or fill values in."
        )
    if not units_checked and model.inputs.rows:
        refuse_odd_units(model.inputs, cases, support)
    names = [name for name, there in zip(cases.name, known, strict=True) if there]
    time = None if cases.time is None else cases.time[known]
    return Forecaster(model).fit(cases.x[known], cases.value[known], names, time)


def refuse_odd_units(inputs: Inputs, cases: Observations, path: Path) -> None:
    """Refuses columns that look as if they were measured in another unit than in training.

    Raises:
        UserError: names the first such column, its values and the factor.
    """
    for odd in odd_units(inputs, cases.x):
        low, high = odd.usual
        raise UserError(
            f"{path}: column '{odd.feature}' looks as if it were in another unit: its median is {odd.median:.4g}, "
            f"but training values lay between {low:.4g} and {high:.4g}; multiplied by {odd.factor:.4g} "
            "they would fit. Convert the column, or say --units-checked if the values are right."
        )


def _fixed(run: Run) -> tuple[str, ...]:
    """The conditions, where they are the same in every task."""
    recipe = run.recipe
    if "conditions" not in run.summary and (recipe.patients is not None or recipe.groups is not None):
        raise UserError(f"{run.folder}: trained before metadx kept the order of conditions. Train it again.")
    return tuple(run.summary.get("conditions", ()))


def _target(run: Run) -> Target | None:
    """What the model of a run predicts; None for conditions."""
    if run.summary["dimensions"]["classification"]:
        return None
    if not run.summary.get("target"):
        raise UserError(f"{run.folder}: trained before metadx kept the unit of values. Train it again.")
    return Target.model_validate(run.summary["target"])


def _about(run: Run) -> About:
    """What the card says of a run; of files of one's own the name alone, not the folders they lie in."""
    recipe, data = run.recipe, run.summary["data"]
    own = recipe.data.csv or recipe.data.folder or recipe.data.own
    name = own.name if own else data["name"]
    return About(
        title=recipe.title or f"{TITLES[recipe.algorithm.name]} on {name}",
        data=name,
        source="a file of one's own" if own else data["source"],
        licence=data["licence"],
        conditions=run.summary["split"]["train"],
        notes=tuple(data["notes"]),
        evaluation=_evaluation(run),
    )


def _evaluation(run: Run) -> tuple[str, ...]:
    """Lines on how the run did on conditions it had never seen, if it was evaluated."""
    path = run.folder / EVALUATION
    if not path.is_file():
        return ()
    try:
        result = EvaluationResult.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged; run `metadx evaluate {run.folder}` again.") from error
    return tuple(_lines(result, run.recipe.algorithm.name))


def _lines(result: EvaluationResult, method: str) -> Iterable[str]:
    p = result.protocol
    for s in result.scores:
        if s.method == method and s.metric == "accuracy" and s.value is not None:
            half = f" ± {100 * (s.high - s.value):.1f}" if s.high is not None else ""
            yield (
                f"{100 * s.value:.1f}{half} % right with {s.shots} labelled case(s) of each of {p.ways} "
                f"conditions, {s.n} episodes of up to {p.query} query cases each, {p.mode}"
            )
    yield from result.summary
