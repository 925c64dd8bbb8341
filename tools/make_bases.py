"""Packs the base model that ships, a run of `recipes/base-glucose.yaml`: `python tools/make_bases.py RUN`.

Only data under licences that let anybody use what was learned from them take part.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from metadx.cases import entries
from metadx.studies.build import build_problem
from metadx.studies.runs import load_run
from metadx.tasks import PatientSource

OUT = Path(__file__).resolve().parent.parent / "src" / "metadx" / "bases"
FREE = ("CC BY 4.0", "CC BY 3.0", "CC0", "ODC-BY 1.0", "MIT")


def glucose(run: Path) -> None:
    """Packs a run of meta-learned ridge regression on glucose."""
    found = load_run(run)
    sets = found.recipe.data.sets
    assert sets is not None
    licences = {entries()[name].licence for name in (*sets.train, *sets.validation)}
    assert licences <= {*FREE}, licences
    problem = build_problem(found.recipe)
    source = problem.splits.train.sources()[0]
    assert isinstance(source, PatientSource)
    transform: Any = source.transform
    about = {
        "title": "Meta-learned ridge regression for glucose in half an hour",
        "data": f"continuous glucose of the cohorts {', '.join(sets.train)}",
        "licence": ", ".join(sorted(licences)),
        "command": "metadx train recipes/base-glucose.yaml",
        "spec": {
            "algorithm": found.recipe.algorithm.model_dump(),
            "learner": found.recipe.learner.model_dump(),
            "input_shape": list(transform.shape),
            "outputs": 1,
        },
        "transform": {
            "mean": transform.mean.tolist(),
            "std": transform.std.tolist(),
            "shape": list(transform.shape),
        },
        "target": list(source.target),
    }
    _save("glucose", found.params, found.state, about)


def _save(name: str, params: dict[str, Any], state: dict[str, Any], about: dict[str, Any]) -> None:
    tensors = {f"params/{k}": v.contiguous() for k, v in params.items()}
    tensors |= {f"state/{k}": v.contiguous() for k, v in state.items()}
    OUT.mkdir(exist_ok=True)
    save_file(tensors, str(OUT / f"{name}.safetensors"), metadata={"about": json.dumps(about)})
    print(OUT / f"{name}.safetensors", (OUT / f"{name}.safetensors").stat().st_size, "bytes")


if __name__ == "__main__":
    glucose(Path(sys.argv[1]))
