"""Tasks about one patient each: what was observed first is the support set, what came later the query set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases, Transform, fit_transform
from metadx.errors import UserError
from metadx.tasks.case_inputs import CaseInputs
from metadx.tasks.numbered import numbered_examples, with_inputs
from metadx.tasks.source import Episode, Shape, draw_shots, draw_size
from metadx.tasks.task import Examples, Task


class PatientEpisode(Episode):
    """Case numbers of one patient's support and query set, each in the order of time."""

    patient: str
    support: tuple[int, ...]
    query: tuple[int, ...]


class PatientSource:
    """Tasks that apply what is known of earlier cases of a patient to later ones.

    Conditions mean the same in every task, unlike in `ConditionSource`: a way stands for a class of `cases`
    whether or not the support set holds one of it. Nothing that a support case was made of is later than the
    origin, and nothing that a query case was made of is earlier: `Cases.reach` says how far that is.

    Args:
        cases: with `time`; the target is their condition, or their value.
        history: how long before the origin support cases are taken from, in units of `Cases.time`; of a range each
            doubling is equally likely to be drawn.
        transform: maps observations to inputs, fitted on meta-training cases; by default fitted on `cases`.
        target: centre and spread of values, by which they are standardised; of meta-training cases.
        name: what reports call the source.

    Raises:
        UserError: the cases have no times, or no patient has cases on both sides of an origin.
    """

    def __init__(
        self,
        cases: Cases,
        history: float | tuple[float, float],
        transform: Transform | None = None,
        target: tuple[float, float] = (0.0, 1.0),
        name: str = "patients",
    ) -> None:
        if cases.time is None:
            raise UserError(f"{cases.provenance.source}: tasks by patient need the time of every case")
        least, most = history if isinstance(history, tuple) else (history, history)
        if not most >= least > sum(cases.reach):
            raise UserError(f"history must be above the reach of a case, {sum(cases.reach):g}, not {history}")
        self.name = name
        self.cases = cases
        self.history = (least, most)
        self.target = target
        self.transform = fit_transform(cases) if transform is None else transform
        self._inputs = CaseInputs(cases, self.transform)
        self.classification = not cases.regression
        self._time = _as_numbers(cases.time)
        order = np.lexsort((np.arange(len(cases)), self._time))
        of_patient = cases.patient[order]
        self._rows = {str(p): order[of_patient == p] for p in np.unique(cases.patient)}
        origins = {p: self._boundaries(rows) for p, rows in self._rows.items()}
        self._origins = {p: those for p, those in origins.items() if len(those)}
        self._able = list(self._origins)
        if not self._able:
            raise UserError(
                f"{cases.provenance.source}: no patient has cases both before and after a boundary between them. "
                "Tasks by patient need several cases of each, over time."
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one case as the learner sees it."""
        return self.transform.shape

    @property
    def outputs(self) -> int:
        """Columns of a target: the classes, or one value."""
        return len(self.cases.classes) or 1

    def patients(self) -> frozenset[str]:
        return frozenset(self._rows)

    def conditions(self) -> frozenset[str]:
        """Empty: the conditions are the same in every task, and are no axis to split along."""
        return frozenset()

    def inputs(self, index: NDArray[np.int64]) -> Tensor:
        """Transformed observations of the cases at `index`, float32."""
        return self._inputs(index)

    def kept(self, index: NDArray[np.int64]) -> Tensor:
        """What `metadx.tasks.as_inputs` makes inputs of: pixels, uint8, or the inputs themselves."""
        return self._inputs.kept(index)

    def draw(self, rng: np.random.Generator, shape: Shape) -> PatientEpisode:
        """A patient and an origin drawn at random, with up to `shots` support and `query` query cases as they come:
        how common a condition is, is part of what is known of a patient."""
        patient = self._able[rng.integers(len(self._able))]
        origin, history = rng.choice(self._origins[patient]), np.exp(rng.uniform(*np.log(self.history)))
        support, query = self._split(self._rows[patient], float(origin), float(history))
        return PatientEpisode(
            patient=patient,
            support=self._some(rng, support, draw_shots(rng, shape.shots)),
            query=self._some(rng, query, draw_size(rng, shape.query)),
        )

    def whole(self, patient: str, history: float | None = None) -> PatientEpisode:
        """Everything of a patient's first `history`, by default the longest, as support, everything later as query.

        The support set is empty where nothing was observed in that time, as with a history of 0.

        Raises:
            UserError: an unknown patient, or one with nothing later.
        """
        if patient not in self._rows:
            raise UserError(f"{self.name}: no patient '{patient}'")
        rows = self._rows[patient]
        long = self.history[1] if history is None else history
        origin = self._time[rows[0]] - self.cases.reach[0] + long
        support, query = self._split(rows, origin, np.inf)
        if not len(query):
            raise UserError(f"{self.name}: nothing of patient {patient} is later than the first {long:g}")
        return PatientEpisode(patient=patient, support=tuple(support.tolist()), query=tuple(query.tolist()))

    def first(self, patient: str, count: int) -> PatientEpisode:
        """A patient's first `count` cases as support, everything after them as query.

        Raises:
            UserError: an unknown patient, or one without as many cases and one after them.
        """
        rows = self._rows.get(patient, np.zeros(0, dtype=np.int64))
        if count < len(rows):
            ends = self._time[rows] + self.cases.reach[1]
            _, query = self._split(rows, float(np.nextafter(ends[count - 1], np.inf)), np.inf)
            if len(query):
                support = rows[:count]
                return PatientEpisode(
                    patient=patient, support=tuple(support.tolist()), query=tuple(query.tolist())
                )
        raise UserError(f"{self.name}: patient '{patient}' has not {count} cases and one after them")

    def with_first(self, count: int) -> list[str]:
        """The patients of whom `first` can give that many cases."""
        return [p for p in self._able if count < len(self._rows[p]) and self._follows(p, count)]

    def task(self, episode: PatientEpisode) -> Task:
        return with_inputs(self.numbered(episode), self.inputs)

    def numbered(self, episode: PatientEpisode) -> Task:
        """The task with case numbers in the place of inputs, shape (cases,)."""
        parts = (np.asarray(rows, dtype=np.int64) for rows in (episode.support, episode.query))
        return Task(*(numbered_examples(self.cases, rows, self.target) for rows in parts))

    def rows(self, patient: str) -> NDArray[np.int64]:
        """Case numbers of a patient in the order of time."""
        rows: NDArray[np.int64] = self._rows[patient]
        return rows

    def examples(self, index: NDArray[np.int64]) -> Examples:
        """The cases at `index` with their targets."""
        return numbered_examples(self.cases, index, self.target)._replace(x=self.inputs(index))

    def _split(
        self, rows: NDArray[np.int64], origin: float, history: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cases that end by the origin, within the history before it, and those that begin at it or later."""
        begin, end = self._time[rows] - self.cases.reach[0], self._time[rows] + self.cases.reach[1]
        recent = begin >= origin - history
        return rows[(end < origin) & recent], rows[begin >= origin]

    def _follows(self, patient: str, count: int) -> bool:
        time, (before, after) = self._time[self._rows[patient]], self.cases.reach
        return bool(time[count - 1] + after < time[-1] - before)

    def _boundaries(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The origins that can be drawn: just after each case that leaves another one later."""
        time = self._time[rows]
        origins = np.nextafter(time + self.cases.reach[1], np.inf)
        boundaries: NDArray[np.float64] = origins[origins <= time[-1] - self.cases.reach[0]]
        return boundaries

    def _some(self, rng: np.random.Generator, rows: NDArray[np.int64], most: int) -> tuple[int, ...]:
        """Up to `most` of the rows, in the order of time."""
        chosen = rng.permutation(rows)[:most]
        return tuple(chosen[np.lexsort((chosen, self._time[chosen]))].tolist())


def _as_numbers(time: NDArray[Any]) -> NDArray[np.float64]:
    """Times as numbers; dates become days."""
    if time.dtype.kind == "M":
        return np.asarray((time - time.min()) / np.timedelta64(1, "D"), dtype=np.float64)
    return np.asarray(time, dtype=np.float64)
