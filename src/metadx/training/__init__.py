"""The outer loop: training runs, and the same machinery for loops of one's own."""

from metadx.training.feed import Feed, feed_for, pooled_cases, pooled_classes
from metadx.training.listeners import metrics_file, progress_bar, tensorboard
from metadx.training.meta_optim import MetaOptim, compute_meta_loss
from metadx.training.settings import TrainingSettings
from metadx.training.trainer import Diverged, Listener, Record, Trained, train, validate

__all__ = [
    "Diverged",
    "Feed",
    "Listener",
    "MetaOptim",
    "Record",
    "Trained",
    "TrainingSettings",
    "compute_meta_loss",
    "feed_for",
    "metrics_file",
    "pooled_cases",
    "pooled_classes",
    "progress_bar",
    "tensorboard",
    "train",
    "validate",
]
