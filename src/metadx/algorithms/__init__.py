"""Algorithms: one file each, every one a few pure functions; and the engine that runs them."""

from metadx.algorithms.algorithm import Algorithm, Metrics, Update, query_gradient, solve
from metadx.algorithms.anil import ANIL
from metadx.algorithms.average import Average, averaged
from metadx.algorithms.baseline_plus_plus import BaselinePlusPlus
from metadx.algorithms.boil import BOIL
from metadx.algorithms.boosted import BoostedTrees
from metadx.algorithms.cavia import CAVIA
from metadx.algorithms.centroid import Centroids, NearestCentroid
from metadx.algorithms.committee import LogisticTrees, MetaCommittee
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import DualFit
from metadx.algorithms.embedder import Embedder
from metadx.algorithms.engine import Engine, Way, as_predictor, choose_way, home, mean, over_tasks
from metadx.algorithms.gaussian_process import GaussianProcess
from metadx.algorithms.gradient import gradient, gradient_and_aux
from metadx.algorithms.gram_ridge import GramRidge
from metadx.algorithms.guard import Guarded, Trial, adapt_guarded, as_guarded_predictor, try_adapting
from metadx.algorithms.head import FittedHead
from metadx.algorithms.imaml import IMAML
from metadx.algorithms.inner import Adapted
from metadx.algorithms.last_target import LastTarget, Level
from metadx.algorithms.last_value import LastValue
from metadx.algorithms.logistic import LogisticRegression, Regression
from metadx.algorithms.losses import CROSS_ENTROPY, LOSSES, SQUARED_ERROR, Loss
from metadx.algorithms.lr_d2 import LRD2
from metadx.algorithms.mahalanobis import Mahalanobis
from metadx.algorithms.maml import MAML
from metadx.algorithms.maml_pp import MAMLPlusPlus
from metadx.algorithms.matching_net import MatchingNet
from metadx.algorithms.meta_logistic import MetaLogistic, MetaRegression
from metadx.algorithms.meta_ridge import MetaRidge, Weights
from metadx.algorithms.meta_sgd import MetaSGD
from metadx.algorithms.mixed_effects import Effects, MixedEffects
from metadx.algorithms.own_line import Line, OwnLine
from metadx.algorithms.own_normal import Own, OwnNormal
from metadx.algorithms.pooled import Pooled
from metadx.algorithms.prior_logistic import PriorLogistic
from metadx.algorithms.proto_maml import ProtoMAML
from metadx.algorithms.protonet import ProtoNet, Prototypes
from metadx.algorithms.r2d2 import R2D2
from metadx.algorithms.recompute import recomputed
from metadx.algorithms.registry import ALGORITHMS, ANY_COLUMNS, TITLES, Dimensions, build_algorithm, suits
from metadx.algorithms.replay import Replay
from metadx.algorithms.reptile import Reptile
from metadx.algorithms.ridge import Linear, Ridge
from metadx.algorithms.scratch import Scratch
from metadx.algorithms.transductive_fine_tune import TransductiveFineTune
from metadx.algorithms.transfer import FineTune, LinearProbe, Probe

__all__ = [
    "ALGORITHMS",
    "ANIL",
    "ANY_COLUMNS",
    "BOIL",
    "CAVIA",
    "CROSS_ENTROPY",
    "EVALUATING",
    "IMAML",
    "LOSSES",
    "LRD2",
    "MAML",
    "R2D2",
    "SQUARED_ERROR",
    "TITLES",
    "Adapted",
    "Algorithm",
    "Average",
    "BaselinePlusPlus",
    "BoostedTrees",
    "Centroids",
    "Context",
    "Dimensions",
    "DualFit",
    "Effects",
    "Embedder",
    "Engine",
    "FineTune",
    "FittedHead",
    "GaussianProcess",
    "GramRidge",
    "Guarded",
    "LastTarget",
    "LastValue",
    "Level",
    "Line",
    "Linear",
    "LinearProbe",
    "LogisticRegression",
    "LogisticTrees",
    "Loss",
    "MAMLPlusPlus",
    "Mahalanobis",
    "MatchingNet",
    "MetaCommittee",
    "MetaLogistic",
    "MetaRegression",
    "MetaRidge",
    "MetaSGD",
    "Metrics",
    "MixedEffects",
    "NearestCentroid",
    "Own",
    "OwnLine",
    "OwnNormal",
    "Pooled",
    "PriorLogistic",
    "Probe",
    "ProtoMAML",
    "ProtoNet",
    "Prototypes",
    "Regression",
    "Replay",
    "Reptile",
    "Ridge",
    "Scratch",
    "TransductiveFineTune",
    "Trial",
    "Update",
    "Way",
    "Weights",
    "adapt_guarded",
    "as_guarded_predictor",
    "as_predictor",
    "averaged",
    "build_algorithm",
    "choose_way",
    "gradient",
    "gradient_and_aux",
    "home",
    "mean",
    "over_tasks",
    "query_gradient",
    "recomputed",
    "solve",
    "suits",
    "try_adapting",
]
