"""The trials of a search on disk: Optuna's journal, one line of JSON per event."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadx.errors import UserError
from metadx.studies.space import Space, Span

FILE = "study.jsonl"


class Trial(NamedTuple):
    """Values that were tried.

    Args:
        number: from 1, in the order of trying.
        outcome: "complete", "pruned" or "failed".
        score: meta-validation score, higher is better; NaN unless complete.
        values: of the settings in the space.
        why: what made it fail.
    """

    number: int
    outcome: str
    score: float
    values: dict[str, Any]
    why: str = ""


class _HeldAlready:
    """No lock: the folder is held for this process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


class Journal:
    """The trials of one search, those of earlier sessions included.

    Args:
        folder: where the journal is, or is begun.
        origin: what the search is made from; JSON that the journal keeps.
        space: what is searched.
        seed: of the proposals.
        first: values to try before any others.

    Raises:
        UserError: Optuna is missing, or the journal is damaged.
    """

    def __init__(
        self, folder: Path, origin: Mapping[str, Any], space: Space, seed: int, first: Mapping[str, Any]
    ) -> None:
        self._optuna = optuna = _optuna()
        self._path = folder / FILE
        self._seed = seed
        self._space = {name: self._distribution(span) for name, span in space.items()}
        _cut_half_a_line(self._path)
        began = self._path.exists()
        try:
            backend = optuna.storages.journal.JournalFileBackend(str(self._path), lock_obj=_HeldAlready())
            self._storage = optuna.storages.JournalStorage(backend)
            study = optuna.create_study(
                storage=self._storage, study_name="metadx", direction="maximize", load_if_exists=began
            )
            self.origin: dict[str, Any] = study.user_attrs.get("origin", dict(origin))
        except (ValueError, KeyError, TypeError) as error:
            why = " ".join(str(error).split())[:120]
            raise UserError(f"{self._path} is damaged ({why}). Remove {folder} and search again.") from error
        if not began:
            study.set_user_attr("origin", dict(origin))
            study.enqueue_trial(dict(first))
        # what no process runs any more is begun again; a trial that failed by itself says why
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.enqueue_trial(trial.params)
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def propose(self) -> Any:
        """The next trial of Optuna, which depends on the seed and on the trials so far alone."""
        return self._study_of(len(self.trials())).ask(self._space)

    def complete(self, trial: Any, score: float) -> None:
        """Keeps the score of a trial."""
        self._study_of(0).tell(trial, score)

    def prune(self, trial: Any) -> None:
        """Keeps that a trial was given up for others that did better as early."""
        self._study_of(0).tell(trial, state=self._optuna.trial.TrialState.PRUNED)

    def fail(self, trial: Any, why: str) -> None:
        """Keeps that a trial came to no score."""
        trial.set_user_attr("why", why)
        self._study_of(0).tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """Those that have ended, but by an interruption."""
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        ended = [
            trial
            for trial in self._study_of(0).get_trials(deepcopy=False)
            if trial.state.name in names and (trial.state.name != "FAIL" or "why" in trial.user_attrs)
        ]
        return [
            Trial(
                number,
                names[trial.state.name],
                float(trial.value) if trial.state.name == "COMPLETE" else math.nan,
                {name: trial.params[name] for name in self._space},
                trial.user_attrs.get("why", ""),
            )
            for number, trial in enumerate(ended, 1)
        ]

    def _study_of(self, done: int) -> Any:
        """The study with a sampler of its own for every trial: no state of a generator has to be stored."""
        seed = int(np.random.SeedSequence([self._seed, done]).generate_state(1)[0])
        return self._optuna.load_study(
            study_name="metadx",
            storage=self._storage,
            sampler=self._optuna.samplers.TPESampler(seed=seed),
            pruner=self._optuna.pruners.MedianPruner(),
        )

    def _distribution(self, span: Span) -> Any:
        made = self._optuna.distributions
        if span.choices:
            return made.CategoricalDistribution(span.choices)
        whole = isinstance(span.low, int) and isinstance(span.high, int)
        return (made.IntDistribution if whole else made.FloatDistribution)(span.low, span.high, log=span.log)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("`metadx tune` needs Optuna: `pip install 'metadx[tune]'`.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _cut_half_a_line(path: Path) -> None:
    """Removes what a killed process left half-written at the end."""
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def as_plain(value: Any) -> Any:
    """The value as JSON gives it back."""
    return json.loads(json.dumps(value))
