"""Whole jobs built from the rooms above."""

from metadx.studies.comparison import Plan, Progress, compare
from metadx.studies.contenders import Contender, Tuned, recommend, tune
from metadx.studies.demo import run_demo
from metadx.studies.hardware import hardware
from metadx.studies.problem import Problem, build_problem
from metadx.studies.recipe import EvaluationSettings, Recipe, parse_evaluation, parse_recipe, read_recipe
from metadx.studies.registry import ALGORITHMS, TITLES, build_algorithm, build_learner
from metadx.studies.runs import Run, load_run, write_whole
from metadx.studies.study import evaluate_run, train_recipe

__all__ = [
    "ALGORITHMS",
    "TITLES",
    "Contender",
    "EvaluationSettings",
    "Plan",
    "Problem",
    "Progress",
    "Recipe",
    "Run",
    "Tuned",
    "build_algorithm",
    "build_learner",
    "build_problem",
    "compare",
    "evaluate_run",
    "hardware",
    "load_run",
    "parse_evaluation",
    "parse_recipe",
    "read_recipe",
    "recommend",
    "run_demo",
    "train_recipe",
    "tune",
    "write_whole",
]
