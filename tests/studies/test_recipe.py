"""A recipe says everything, and every mistake in it is named with its place and a mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from metadx.errors import UserError
from metadx.studies import EvaluationSettings, parse_evaluation, parse_recipe, read_recipe

GOOD = "data: {name: thyroid}\nalgorithm: {name: maml, inner_lr: 0.1}\n"
ROOT = Path(__file__).parents[2]


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "recipe.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(folder: Path, content: str | bytes) -> str:
    path = write(folder, content)
    with pytest.raises(UserError) as error:
        read_recipe(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 400
    return message.removeprefix(f"{path}: ")


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, GOOD))
    assert recipe.data.name == "thyroid"
    assert recipe.algorithm.settings == {"inner_lr": 0.1}
    assert recipe.learner.name == "auto"
    assert recipe.tasks.ways == (2, 5)
    assert recipe.evaluation.shots == (1, 5)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_that_ships_is_valid(path: Path) -> None:
    assert read_recipe(path).algorithm.name


def test_a_recipe_survives_being_written_out(tmp_path: Path) -> None:
    text = "tasks: {ways: [2, 4], shots: [1, 3]}\nlearner: {name: mlp, hidden: [3]}\nevaluation: {shots: [3, 1]}\n"
    recipe = read_recipe(write(tmp_path, GOOD + text))
    again = yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert parse_recipe(again) == recipe


@pytest.mark.parametrize(
    ("text", "place", "near"),
    [
        ("traning: {}", "traning", "training"),
        ("training: {iteration: 3}", "training.iteration", "iterations"),
        ("tasks: {shot: 3}", "tasks.shot", "shots"),
        ("evaluation: {episode: 3}", "evaluation.episode", "episodes"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, place: str, near: str) -> None:
    assert refusal(tmp_path, GOOD + text) == f"unknown key '{place}'; did you mean '{near}'?"


def test_an_unknown_key_of_the_data_and_its_split(tmp_path: Path) -> None:
    algorithm = "algorithm: {name: maml}\n"
    said = refusal(tmp_path, "data: {name: thyroid, splt: {}}\n" + algorithm)
    assert said == "unknown key 'data.splt'; did you mean 'split'?"
    said = refusal(tmp_path, "data: {name: thyroid, split: {seeed: 1}}\n" + algorithm)
    assert said == "unknown key 'data.split.seeed'; did you mean 'seed'?"


def test_a_key_like_no_other_lists_the_known_ones(tmp_path: Path) -> None:
    said = refusal(tmp_path, GOOD + "zzz: 1")
    assert said.startswith("unknown key 'zzz'; known are algorithm, ")
    assert "tasks" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks: {shots: 0}", "'tasks': shots must be at least 1, not 0"),
        ("tasks: {ways: 1}", "'tasks': ways must be at least 2, not 1"),
        ("tasks: {query: 0}", "'tasks': query must be at least 1, not 0"),
        ("tasks: {shots: [3, 1]}", "'tasks': shots must run from the least to the most, not (3, 1)"),
        ("tasks: 4", "'tasks' is 4: must be a mapping of settings"),
        ("evaluation: {shots: [1, 0]}", "'evaluation.shots': must be at least 1, not [1, 0]"),
        ("evaluation: {shots: []}", "'evaluation.shots': must be at least 1, not []"),
        ("evaluation: {shots: 5}", "'evaluation.shots' is 5: must be a list"),
        ("evaluation: {ways: 1}", "'evaluation.ways' is 1: input should be greater than or equal to 2"),
        ("training: {lr: fast}", "'training.lr' is 'fast': input should be a valid number"),
        ("training: {lr: no}", "'training.lr' is False: input should be greater than 0"),
        ("training: {seed: -1}", "'training.seed' is -1: input should be greater than or equal to 0"),
        ("training: {schedule: warm}", "'training.schedule' is 'warm': input should be"),
        ("learner: convnet", "'learner' is 'convnet': must be a mapping of settings"),
        ("1: 2", "keys should be strings"),
    ],
)
def test_a_value_out_of_range_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, GOOD + text).startswith(said)


def test_a_value_of_the_wrong_type_is_said_once_with_all_that_it_may_be(tmp_path: Path) -> None:
    said = refusal(tmp_path, GOOD + "tasks: {shots: many}")
    assert said.count("'tasks.shots' is 'many'") == 1
    assert "int" not in said.split(":")[0]
    assert " or " in said


def test_every_mistake_is_said(tmp_path: Path) -> None:
    said = refusal(tmp_path, "data: {name: thyroid}\ntraning: {}\ntraining: {lr: 0}\n")
    assert said.count(";") == 3  # one of them before "did you mean"
    for part in ("'algorithm' is missing", "'training.lr' is 0", "unknown key 'traning'"):
        assert part in said


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("{name: thyroid, csv: a.csv}", "['name', 'csv']"),
        ("{}", "none"),
        ("{folder: a, function: sinusoid}", "['folder', 'function']"),
    ],
)
def test_the_data_come_from_exactly_one_place(tmp_path: Path, data: str, found: str) -> None:
    said = refusal(tmp_path, f"data: {data}\nalgorithm: {{name: maml}}")
    assert said == f"'data': give exactly one of name, csv, folder, own, function, sets; found {found}"


@pytest.mark.parametrize("share", ["[1, 1]", "[1, 0, 1]", "[1, -1, 1]", "[.inf, 1, 1]", "[1, x, 1]"])
def test_shares_are_three_positive_numbers(tmp_path: Path, share: str) -> None:
    said = refusal(tmp_path, f"data: {{name: thyroid, split: {{share: {share}}}}}\nalgorithm: {{name: maml}}")
    assert said.startswith("'data.split.share'")


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]", "3"])
def test_what_is_no_mapping_is_no_recipe(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("a recipe is a mapping with `data` and `algorithm`")


@pytest.mark.parametrize(
    "text",
    [
        "data: [1, 2",
        "data: {a: b",
        "\tdata: 1",
        "? [a]\n: 3",
        "data: &a [*b]",
        "date: 2024-99-99",
        "[" * 5000,
        "!!python/object:os.system {}",
    ],
)
def test_what_is_no_yaml_says_so(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, text)
    assert said.startswith("cannot be read as YAML: ")


def test_a_yaml_error_says_the_line(tmp_path: Path) -> None:
    assert "line 3" in refusal(tmp_path, GOOD + "tasks: {shots: 1\n")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, GOOD + "algorithm: {name: anil}\n")
    assert "the key 'algorithm' is given twice" in said
    assert "line 3" in said


def test_other_encodings_are_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    said = refusal(tmp_path, GOOD.encode() + "title: Röntgen".encode("latin-1"))
    assert said == f"byte {len(GOOD) + 8} is not UTF-8. Save the recipe as UTF-8."
    assert read_recipe(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).data.name == "thyroid"


def test_numbers_may_be_written_with_an_exponent_alone(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, "data: {name: thyroid}\nalgorithm: {name: maml, inner_lr: 1e-3}"))
    assert recipe.algorithm.settings == {"inner_lr": 0.001}


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: no such recipe"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_recipe(tmp_path)


def test_paths_are_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").mkdir()
    path = write(tmp_path / "inside", "data: {csv: ../my.csv}\nalgorithm: {name: maml}")
    monkeypatch.chdir(tmp_path)
    csv = read_recipe(path.relative_to(tmp_path)).data.csv
    assert csv is not None
    assert csv.resolve() == tmp_path / "my.csv"
    assert csv.is_absolute()
    absolute = write(tmp_path, f"data: {{folder: '{tmp_path / 'cells'}'}}\nalgorithm: {{name: maml}}")
    assert read_recipe(absolute).data.folder == tmp_path / "cells"


def test_evaluation_settings_change_one_by_one() -> None:
    settings = parse_evaluation(EvaluationSettings(episodes=7), {"shots": [5, 1, 5]})
    assert settings.shots == (5, 1)
    assert settings.episodes == 7
    with pytest.raises(
        UserError, match=r"evaluation: 'episodes' is 0: input should be greater than or equal to 1"
    ):
        parse_evaluation(settings, {"episodes": 0})
    with pytest.raises(UserError, match=r"evaluation: 'shots': must be at least 1, not \[0\]"):
        parse_evaluation(settings, {"shots": [0]})
