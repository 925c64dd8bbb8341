"""Algorithms by the names that recipes and bundles use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from metadx.algorithms.algorithm import Algorithm
from metadx.algorithms.anil import ANIL
from metadx.algorithms.baseline_plus_plus import BaselinePlusPlus
from metadx.algorithms.boil import BOIL
from metadx.algorithms.boosted import BoostedTrees
from metadx.algorithms.cavia import CAVIA
from metadx.algorithms.centroid import NearestCentroid
from metadx.algorithms.committee import LogisticTrees, MetaCommittee
from metadx.algorithms.gaussian_process import GaussianProcess
from metadx.algorithms.gram_ridge import GramRidge
from metadx.algorithms.imaml import IMAML
from metadx.algorithms.last_target import LastTarget
from metadx.algorithms.last_value import LastValue
from metadx.algorithms.logistic import LogisticRegression
from metadx.algorithms.losses import LOSSES
from metadx.algorithms.lr_d2 import LRD2
from metadx.algorithms.mahalanobis import Mahalanobis
from metadx.algorithms.maml import MAML
from metadx.algorithms.maml_pp import MAMLPlusPlus
from metadx.algorithms.matching_net import MatchingNet
from metadx.algorithms.meta_logistic import MetaLogistic
from metadx.algorithms.meta_ridge import MetaRidge
from metadx.algorithms.meta_sgd import MetaSGD
from metadx.algorithms.mixed_effects import MixedEffects
from metadx.algorithms.own_line import OwnLine
from metadx.algorithms.own_normal import VIEWS, OwnNormal
from metadx.algorithms.pooled import Pooled
from metadx.algorithms.prior_logistic import PriorLogistic
from metadx.algorithms.proto_maml import ProtoMAML
from metadx.algorithms.protonet import ProtoNet
from metadx.algorithms.r2d2 import R2D2
from metadx.algorithms.replay import Replay
from metadx.algorithms.reptile import Reptile
from metadx.algorithms.ridge import Ridge
from metadx.algorithms.scratch import Scratch
from metadx.algorithms.transductive_fine_tune import TransductiveFineTune
from metadx.algorithms.transfer import FineTune, LinearProbe
from metadx.errors import UserError, nearest
from metadx.learners import NamedSettings, build_learner, choose_learner, output_width, refuse_unknown

ALGORITHMS: dict[str, type[Algorithm]] = {
    "maml": MAML,
    "maml++": MAMLPlusPlus,
    "meta_sgd": MetaSGD,
    "anil": ANIL,
    "boil": BOIL,
    "cavia": CAVIA,
    "imaml": IMAML,
    "reptile": Reptile,
    "protonet": ProtoNet,
    "proto_maml": ProtoMAML,
    "matching_net": MatchingNet,
    "mahalanobis": Mahalanobis,
    "r2d2": R2D2,
    "lr_d2": LRD2,
    "gaussian_process": GaussianProcess,
    "meta_logistic": MetaLogistic,
    "meta_committee": MetaCommittee,
    "fine_tune": FineTune,
    "linear_probe": LinearProbe,
    "baseline++": BaselinePlusPlus,
    "transductive_fine_tune": TransductiveFineTune,
    "logistic_regression": LogisticRegression,
    "nearest_centroid": NearestCentroid,
    "boosted_trees": BoostedTrees,
    "logistic_trees": LogisticTrees,
    "scratch": Scratch,
    "gram_ridge": GramRidge,
    "prior_logistic": PriorLogistic,
    "meta_ridge": MetaRidge,
    "mixed_effects": MixedEffects,
    "own_normal": OwnNormal,
    "pooled": Pooled,
    "replay": Replay,
    "ridge": Ridge,
    "last_value": LastValue,
    "own_line": OwnLine,
    "last_target": LastTarget,
}
TITLES = {
    "maml": "MAML",
    "maml++": "MAML++",
    "meta_sgd": "Meta-SGD",
    "anil": "ANIL",
    "boil": "BOIL",
    "cavia": "CAVIA",
    "imaml": "Implicit MAML",
    "reptile": "Reptile",
    "protonet": "Prototypical network",
    "proto_maml": "Proto-MAML",
    "matching_net": "Matching network",
    "mahalanobis": "Mahalanobis distance to class means",
    "r2d2": "R2-D2, a ridge head",
    "lr_d2": "LR-D2, a logistic head",
    "gaussian_process": "Gaussian process on an embedding",
    "meta_logistic": "Meta-learned logistic regression",
    "meta_committee": "Meta-learned logistic regression and trees",
    "fine_tune": "Transfer: fine-tuning",
    "linear_probe": "Transfer: linear probe",
    "baseline++": "Transfer: Baseline++",
    "transductive_fine_tune": "Transfer: fine-tuning, transductive",
    "logistic_regression": "Logistic regression",
    "nearest_centroid": "Nearest centroid",
    "boosted_trees": "Gradient-boosted trees",
    "logistic_trees": "Logistic regression and trees",
    "scratch": "Network from scratch",
    "gram_ridge": "Ridge regression over scales, meta-learned",
    "prior_logistic": "Logistic regression towards a meta-learned prior",
    "meta_ridge": "Meta-learned ridge regression",
    "mixed_effects": "Mixed-effects regression",
    "own_normal": "Beside the patient's own normal",
    "pooled": "One network for everybody",
    "replay": "One network, fine-tuned with replay",
    "ridge": "Ridge regression on the patient alone",
    "last_value": "Last value carried forward",
    "own_line": "The patient's own line",
    "last_target": "Last score carried forward",
}
ANY_COLUMNS = ("gram_ridge",)
"""Algorithms that take the columns of tables as they are, others in every task if need be."""

_FEATURES = ("prior_logistic", "meta_ridge", "own_normal")
"""Algorithms whose network gives features that stand beside others, rather than outputs."""

_VIEWS = {"own_normal": VIEWS}
"""Algorithms whose network sees several views of a case, and how many."""


@dataclass(frozen=True)
class Dimensions:
    """What a network must fit: the shape of one case, its outputs, the pooled meta-training conditions, and whether
    inputs say what was observed (those of `metadx.cases.GapTransform`)."""

    input_shape: tuple[int, ...]
    outputs: int
    classes: int
    classification: bool = True
    gaps: bool = False


def suits(name: str, classification: bool) -> bool:
    """Whether an algorithm can tell conditions apart, or predict values."""
    kind = ALGORITHMS[name]
    if "loss" in {f.name for f in dataclasses.fields(kind)}:  # type: ignore[arg-type]
        return True
    return bool(kind.loss.classification == classification)  # type: ignore[attr-defined]


def build_algorithm(
    algorithm: NamedSettings, learner: NamedSettings, size: Dimensions, seed: int = 0
) -> Algorithm:
    """The algorithm a recipe names, around the learner it names, initialised from `seed`.

    Raises:
        UserError: an unknown name or setting (names the nearest known one), or a value out of range.
    """
    if algorithm.name not in ALGORITHMS:
        raise UserError(f"unknown algorithm '{algorithm.name}'; {nearest(algorithm.name, ALGORITHMS)}")
    kind = ALGORITHMS[algorithm.name]
    takes = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    settings = dict(algorithm.settings)
    given: dict[str, Any] = {}
    if "network" in takes:
        outputs = None if kind.embeds or algorithm.name in _FEATURES else size.outputs
        views = _VIEWS.get(algorithm.name, 0)
        chosen = choose_learner(learner, size.input_shape, gaps=size.gaps)
        given["network"] = network = build_learner(chosen, size.input_shape, outputs, seed, views)
        if "width" in takes:
            seen = (views, *size.input_shape) if views else size.input_shape
            given |= {"width": output_width(network, seen), "classes": size.classes}
    if "outputs" in takes:
        given["outputs"] = size.outputs
    if "shape" in takes:
        given["shape"] = size.input_shape
    if "inputs" in takes:
        given["inputs"] = int(np.prod(size.input_shape))
    if "loss" in takes:
        given["loss"] = LOSSES["cross_entropy" if size.classification else "squared_error"]
    elif not suits(algorithm.name, size.classification):
        does, cannot = "predicts values", "tell conditions apart"
        if not size.classification:
            does, cannot = "tells conditions apart", "predict values"
        others = ", ".join(n for n in ALGORITHMS if suits(n, size.classification))
        raise UserError(f"{algorithm.name} {does} and cannot {cannot}; these can: {others}")
    refuse_unknown(f"algorithm.{algorithm.name}", settings, takes - given.keys())
    try:
        return kind(**given, **settings)
    except TypeError as error:
        raise UserError(f"algorithm '{algorithm.name}': {error}") from error
