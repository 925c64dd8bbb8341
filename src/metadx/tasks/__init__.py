"""How cases become few-shot tasks."""

from metadx.tasks.augment import (
    AUGMENTATIONS,
    Augment,
    Augments,
    Change,
    Changes,
    augmentation,
    augmentations,
)
from metadx.tasks.batch import Batch, DrawnExamples, joined
from metadx.tasks.case_inputs import as_inputs
from metadx.tasks.conditions import ConditionEpisode, ConditionSource
from metadx.tasks.drawn import DrawnTasks
from metadx.tasks.episodes import load_episodes, save_episodes
from metadx.tasks.group_split import GroupSplit, split_by_group, split_groups
from metadx.tasks.groups import Drawn, GroupEpisode, GroupSource, group_names
from metadx.tasks.meta_dataset import MetaDataset, MetaSplits, Split, as_dict
from metadx.tasks.numbered import numbered_examples, with_inputs
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
    "Batch",
    "CaseSource",
    "Change",
    "Changes",
    "ConditionEpisode",
    "ConditionSource",
    "ConditionSplit",
    "Drawn",
    "DrawnExamples",
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
    "as_inputs",
    "augmentation",
    "augmentations",
    "group_names",
    "joined",
    "load_episodes",
    "make_examples",
    "numbered_examples",
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
