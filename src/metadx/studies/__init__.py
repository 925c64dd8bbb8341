"""Whole jobs built from the rooms above."""

from metadx.studies.assist import assist
from metadx.studies.build import build_problem
from metadx.studies.comparison import compare, verdict
from metadx.studies.contenders import Contender, Tuned, recommend, tune
from metadx.studies.demo import DEMO_METHODS, run_demo
from metadx.studies.diagnosing import adapt_run, load_model, model_of, refuse_odd_units
from metadx.studies.exam import Exam, Outcome, Plan, Progress, draw_exam, sit
from metadx.studies.hardware import hardware
from metadx.studies.journal import Trial
from metadx.studies.own.job import run_study
from metadx.studies.own.settings import StudySettings
from metadx.studies.planning import plan_run
from metadx.studies.problem import Problem
from metadx.studies.recipe import (
    ColumnSettings,
    EvaluationSettings,
    Recipe,
)
from metadx.studies.recipe_file import parse_evaluation, parse_recipe, read_recipe
from metadx.studies.runner import resume_run, train_recipe
from metadx.studies.runs import Run, load_run
from metadx.studies.several import compare_runs
from metadx.studies.study import evaluate_run
from metadx.studies.tuning import TunedRecipe, Watch, resume_tuning, tune_recipe
from metadx.studies.workfolder import is_unfinished

__all__ = [
    "DEMO_METHODS",
    "ColumnSettings",
    "Contender",
    "EvaluationSettings",
    "Exam",
    "Outcome",
    "Plan",
    "Problem",
    "Progress",
    "Recipe",
    "Run",
    "StudySettings",
    "Trial",
    "Tuned",
    "TunedRecipe",
    "Watch",
    "adapt_run",
    "assist",
    "build_problem",
    "compare",
    "compare_runs",
    "draw_exam",
    "evaluate_run",
    "hardware",
    "is_unfinished",
    "load_model",
    "load_run",
    "model_of",
    "parse_evaluation",
    "parse_recipe",
    "plan_run",
    "read_recipe",
    "recommend",
    "refuse_odd_units",
    "resume_run",
    "resume_tuning",
    "run_demo",
    "run_study",
    "sit",
    "train_recipe",
    "tune",
    "tune_recipe",
    "verdict",
]
