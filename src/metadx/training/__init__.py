"""The outer loop: training runs that can be resumed, and the same machinery for loops of one's own."""

from metadx.training.batch import refuse_idle
from metadx.training.checkpoint import (
    Checkpoint,
    Damaged,
    has_checkpoint,
    read_checkpoint,
    remove_checkpoints,
    write_checkpoint,
)
from metadx.training.checkpointer import Checkpointer, stop_signals
from metadx.training.feed import Feed, feed_for, pooled_cases, pooled_classes
from metadx.training.listeners import metrics_file, progress_bar, tensorboard
from metadx.training.memory import OutOfMemory
from metadx.training.meta_optim import MetaOptim, compute_meta_loss
from metadx.training.processes import ALONE, Lost, Processes, joined, launched
from metadx.training.settings import TrainingSettings
from metadx.training.standing import Record
from metadx.training.trainer import Diverged, Listener, Trained, train, validate

__all__ = [
    "ALONE",
    "Checkpoint",
    "Checkpointer",
    "Damaged",
    "Diverged",
    "Feed",
    "Listener",
    "Lost",
    "MetaOptim",
    "OutOfMemory",
    "Processes",
    "Record",
    "Trained",
    "TrainingSettings",
    "compute_meta_loss",
    "feed_for",
    "has_checkpoint",
    "joined",
    "launched",
    "metrics_file",
    "pooled_cases",
    "pooled_classes",
    "progress_bar",
    "read_checkpoint",
    "refuse_idle",
    "remove_checkpoints",
    "stop_signals",
    "tensorboard",
    "train",
    "validate",
    "write_checkpoint",
]
