"""How cases become few-shot tasks."""

from metadx.tasks.augment import AUGMENTATIONS, Augment, Augments, augmentation, augmentations
from metadx.tasks.conditions import ConditionEpisode, ConditionSource
from metadx.tasks.drawn import DrawnTasks
from metadx.tasks.episodes import load_episodes, save_episodes
from metadx.tasks.group_split import GroupSplit, split_by_group, split_groups
from metadx.tasks.groups import Drawn, GroupEpisode, GroupSource, group_names
from metadx.tasks.meta_dataset import MetaDataset, MetaSplits, Split, as_dict
from metadx.tasks.numbered import with_inputs
from metadx.tasks.patients import PatientEpisode, PatientSource
from metadx.tasks.permuted import PermutedEpisode, PermutedSource
from metadx.tasks.regions import RegionEpisode, RegionSource
from metadx.tasks.sinusoid import SinusoidEpisode, SinusoidSource
from metadx.tasks.source import CaseSource, Episode, Shape, TaskSource
from metadx.tasks.split import ConditionSplit, split_by_name, split_cases, split_conditions
from metadx.tasks.task import Examples, Task, make_examples, present, stack, unstack

__all__ = [
    "AUGMENTATIONS",
    "Augment",
    "Augments",
    "CaseSource",
    "ConditionEpisode",
    "ConditionSource",
    "ConditionSplit",
    "Drawn",
    "DrawnTasks",
    "Episode",
    "Examples",
    "GroupEpisode",
    "GroupSource",
    "GroupSplit",
    "MetaDataset",
    "MetaSplits",
    "PatientEpisode",
    "PatientSource",
    "PermutedEpisode",
    "PermutedSource",
    "RegionEpisode",
    "RegionSource",
    "Shape",
    "SinusoidEpisode",
    "SinusoidSource",
    "Split",
    "Task",
    "TaskSource",
    "as_dict",
    "augmentation",
    "augmentations",
    "group_names",
    "load_episodes",
    "make_examples",
    "present",
    "save_episodes",
    "split_by_group",
    "split_by_name",
    "split_cases",
    "split_conditions",
    "split_groups",
    "stack",
    "unstack",
    "with_inputs",
]
