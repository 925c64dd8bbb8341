"""How cases become few-shot tasks."""

from metadx.tasks.conditions import ConditionEpisode, ConditionSource
from metadx.tasks.episodes import load_episodes, save_episodes
from metadx.tasks.meta_dataset import MetaDataset, MetaSplits, Split, as_dict
from metadx.tasks.sinusoid import SinusoidEpisode, SinusoidSource
from metadx.tasks.source import Episode, Shape, TaskSource
from metadx.tasks.task import Examples, Task, make_examples, present, stack, unstack

__all__ = [
    "ConditionEpisode",
    "ConditionSource",
    "Episode",
    "Examples",
    "MetaDataset",
    "MetaSplits",
    "Shape",
    "SinusoidEpisode",
    "SinusoidSource",
    "Split",
    "Task",
    "TaskSource",
    "as_dict",
    "load_episodes",
    "make_examples",
    "present",
    "save_episodes",
    "stack",
    "unstack",
]
