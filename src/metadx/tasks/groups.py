"""Tasks about one group each, such as a gene or a hospital: the same classes in all, adapted to its own cases."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases, Transform, fit_transform
from metadx.errors import UserError, nearest
from metadx.tasks.case_inputs import CaseInputs
from metadx.tasks.numbered import numbered_examples, with_inputs
from metadx.tasks.source import Episode, Shape, bounds, draw_shots, draw_size
from metadx.tasks.task import Examples, Task

Drawn = Literal["per class", "as they come"]
"""How the support set is drawn: so many cases of each class, or so many in all."""

_ATTEMPTS = 50


class GroupEpisode(Episode):
    """Case numbers of one group's support and query set."""

    group: str
    support: tuple[int, ...]
    query: tuple[int, ...]


def group_names(cases: Cases, axis: str) -> NDArray[np.str_]:
    """The group of every case along an axis, shape (cases,); "" where a case has none.

    Args:
        axis: "gene" or "group" for `cases.group`, "site" for `cases.site`, "study" for all of the cases as one
            group, or the name of one of `cases.details`.

    Raises:
        UserError: the cases do not say it; names what they do say.
    """
    own = cases.group
    known = {"gene": own, "group": own, "site": cases.site} | dict(cases.details)
    known |= {"study": np.full(len(cases), cases.provenance.source)}
    names = known.get(axis)
    if names is None:
        told = [name for name, column in known.items() if column is not None]
        raise UserError(f"{cases.provenance.source}: no '{axis}' of its cases; {nearest(axis, told)}")
    return np.asarray(names, dtype=np.str_)


class GroupSource:
    """Tasks that apply what some cases of a group tell to others of it; their patients are different people.

    A way stands for a class of `cases` in every task, unlike in `ConditionSource`; so a prior over what the classes
    look like can be learned. Groups are drawn equally often. A group can be drawn if two classes (of values: any)
    have a case left for the query set.

    Args:
        cases: the cases to draw from; the target is their condition, or their value.
        group: the group of every case, shape (cases,); see `group_names`. Cases of "" are left out.
        drawn: "per class": `shots` support cases of each class, or all but one where a class has fewer.
            "as they come": `shots` in all, at random; where a class of the group would be missing, one of it
            takes the place of one of the most frequent class.
        transform: maps observations to inputs, fitted on meta-training cases; by default fitted on `cases`.
        target: centre and spread of values, by which they are standardised; of meta-training cases.
        name: what reports call the source.

    Raises:
        UserError: no group can be drawn with a single shot, or a case for each class where they come as they come.
    """

    def __init__(
        self,
        cases: Cases,
        group: NDArray[np.str_],
        drawn: Drawn = "per class",
        transform: Transform | None = None,
        target: tuple[float, float] = (0.0, 1.0),
        name: str = "groups",
    ) -> None:
        self.name = name
        self.cases = cases
        self.drawn = drawn
        self.target = target
        self.transform = fit_transform(cases) if transform is None else transform
        self.classification = not cases.regression
        self._label = cases.y if self.classification else np.zeros(len(cases), dtype=np.int64)
        names = np.unique(group[group != ""]).tolist()
        self._rows = {str(g): np.flatnonzero(group == g) for g in names}
        self._eligible: dict[int, list[str]] = {}
        self._inputs = CaseInputs(cases, self.transform)
        if not self.eligible(1 if drawn == "per class" else self.outputs):
            raise UserError(
                f"{cases.provenance.source}: none of {len(names)} groups has cases to adapt to and others of "
                "two classes to try it on, of other patients."
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one case as the learner sees it."""
        return self.transform.shape

    @property
    def outputs(self) -> int:
        """Columns of a target: the classes, or one value."""
        return len(self.cases.classes) or 1

    @property
    def groups(self) -> list[str]:
        """Names of all groups, in order."""
        return list(self._rows)

    def patients(self) -> frozenset[str]:
        return frozenset(self.cases.patient[np.concatenate(list(self._rows.values()))].tolist())

    def conditions(self) -> frozenset[str]:
        """Empty: the conditions are the same in every task, and are no axis to split along."""
        return frozenset()

    def rows(self, group: str) -> NDArray[np.int64]:
        """Case numbers of a group.

        Raises:
            UserError: an unknown group.
        """
        if group not in self._rows:
            raise UserError(f"{self.name}: no group '{group[:60]}'; {nearest(group, self._rows)}")
        return self._rows[group]

    def inputs(self, index: NDArray[np.int64]) -> Tensor:
        """Transformed observations of the cases at `index`, float32."""
        return self._inputs(index)

    def kept(self, index: NDArray[np.int64]) -> Tensor:
        """What `metadx.tasks.as_inputs` makes inputs of: pixels, uint8, or the inputs themselves."""
        return self._inputs.kept(index)

    def examples(self, index: NDArray[np.int64]) -> Examples:
        """The cases at `index` with their targets."""
        return numbered_examples(self.cases, index, self.target)._replace(x=self.inputs(index))

    def eligible(self, shots: int) -> list[str]:
        """Groups that can give so many shots: of two classes each, or in all where cases are drawn as they come."""
        if shots not in self._eligible:
            self._eligible[shots] = [g for g in self._rows if self._able(g, shots)]
        return self._eligible[shots]

    def draw(self, rng: np.random.Generator, shape: Shape, group: str | None = None) -> GroupEpisode:
        """An episode of a group, by default of one drawn at random; `shape.ways` plays no part.

        The query set holds up to `shape.query` cases of each class, or in all where cases are drawn as they come.

        Raises:
            UserError: no group, or not this one, can give so many shots.
        """
        least, _ = bounds(shape.shots)
        if group is None:
            able = self.eligible(least)
            if not able:
                raise UserError(f"{self.name}: none of {len(self._rows)} groups can give {least} shots")
            group = able[rng.integers(len(able))]
        rows = self.rows(group)
        shots, query = draw_shots(rng, shape.shots), draw_size(rng, shape.query)
        for wanted in dict.fromkeys((shots, least)):
            for _ in range(_ATTEMPTS):
                found = self._attempt(rng, rows, wanted, query)
                if found is not None:
                    support, others = (tuple(part.tolist()) for part in found)
                    return GroupEpisode(group=group, support=support, query=others)
        raise UserError(
            f"{self.name}: group '{group[:60]}' cannot give {least} shots and cases to try them on"
        )

    def task(self, episode: GroupEpisode) -> Task:
        return with_inputs(self.numbered(episode), self.inputs)

    def numbered(self, episode: GroupEpisode) -> Task:
        """The task with case numbers in the place of inputs, shape (cases,)."""
        parts = (np.asarray(rows, dtype=np.int64) for rows in (episode.support, episode.query))
        return Task(*(numbered_examples(self.cases, rows, self.target) for rows in parts))

    def _able(self, group: str, shots: int) -> bool:
        rng = np.random.default_rng(0)
        return any(
            self._attempt(rng, self._rows[group], shots, 1) is not None for _ in range(self._tries(group))
        )

    def _tries(self, group: str) -> int:
        """One attempt tells where every case is another patient's."""
        patients = self.cases.patient[self._rows[group]]
        return 1 if len(np.unique(patients)) == len(patients) else _ATTEMPTS

    def _attempt(
        self, rng: np.random.Generator, rows: NDArray[np.int64], shots: int, query: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Support and query rows, or None where too few of them, or of other patients, are left."""
        counts = np.bincount(self._label[rows], minlength=self.outputs if self.classification else 1)
        wanted = self._wanted(rng, counts, shots)
        if wanted is None:
            return None
        support = _of_few_patients(rng, rows, self._label, self.cases.patient, wanted)
        rest = rng.permutation(rows[~np.isin(self.cases.patient[rows], self.cases.patient[support])])
        if len(np.unique(self._label[rest])) < min(2, len(counts)):
            return None
        if self.drawn == "as they come" or not self.classification:
            return support, np.sort(rest[:query])
        parts = [rest[self._label[rest] == c][:query] for c in range(len(counts))]
        return support, np.sort(np.concatenate(parts))

    def _wanted(
        self, rng: np.random.Generator, counts: NDArray[np.int64], shots: int
    ) -> NDArray[np.int64] | None:
        """Support cases of each class, or None where the group has too few."""
        spare = np.maximum(counts - 1, np.minimum(counts, 1))
        if self.drawn == "per class" and self.classification:
            enough = (counts > shots).sum() >= 2
            return np.minimum(shots, spare) if enough else None
        held = int((counts > 0).sum())
        if shots >= counts.sum() or shots < held:
            return None
        wanted: NDArray[np.int64] = rng.multivariate_hypergeometric(counts, shots)
        for missing in np.flatnonzero((counts > 0) & (wanted == 0)):
            wanted[wanted.argmax()] -= 1
            wanted[missing] += 1
        return wanted


def _of_few_patients(
    rng: np.random.Generator,
    rows: NDArray[np.int64],
    label: NDArray[np.int64],
    patient: NDArray[np.str_],
    wanted: NDArray[np.int64],
) -> NDArray[np.int64]:
    """As many rows of each class as wanted, patients who are in already first: the others are for the query set."""
    taken: list[NDArray[np.int64]] = []
    for c in rng.permutation(len(wanted)):
        mine = rng.permutation(rows[label[rows] == c])
        if taken:
            known = np.isin(patient[mine], patient[np.concatenate(taken)])
            mine = mine[np.argsort(~known, kind="stable")]
        if len(mine):
            _, first, place = np.unique(patient[mine], return_index=True, return_inverse=True)
            mine = mine[np.argsort(first[place], kind="stable")]
        taken.append(mine[: wanted[c]])
    return np.sort(np.concatenate(taken))
