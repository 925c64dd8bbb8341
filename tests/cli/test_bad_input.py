"""What the user gets wrong: one clear line that names the thing and the mend, exit code 2, nothing half-written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Metadx, files
from studies.making import VOUCHED, write_pictures, write_recipe, write_table


def refused(metadx: Metadx, recipe: Path) -> str:
    """The line with which training refuses; nothing beside what was there is left."""
    before = {name: len(content) for name, content in files(recipe.parent).items() if name != "huge.csv"}
    said = metadx("train", recipe, "--out", recipe.parent / "runs" / "a").mistake()
    after = {name: len(content) for name, content in files(recipe.parent).items() if name != "huge.csv"}
    assert after == before
    return said


def refused_table(metadx: Metadx, folder: Path, content: str | bytes, **changes: Any) -> str:
    (folder / "table.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return refused(metadx, write_recipe(folder / "recipe.yaml", {"csv": "table.csv"}, **changes))


def good(folder: Path) -> list[str]:
    return write_table(folder / "table.csv").read_text(encoding="utf-8").splitlines()


def test_no_patient_column(metadx: Metadx, tmp_path: Path) -> None:
    said = refused_table(metadx, tmp_path, "\n".join(good(tmp_path)).replace("patient", "person", 1))
    assert (
        "table.csv: no patient ids. There is no column 'patient' (found label, person, a, b, c, sex)" in said
    )
    assert f"patients='{VOUCHED}'" in said


def test_the_words_that_mend_it_do(metadx: Metadx, tmp_path: Path) -> None:
    lines = [re.sub(r",p[^,]*", "", line) for line in good(tmp_path)]
    (tmp_path / "table.csv").write_text("\n".join(lines).replace("label,patient", "label"))
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv", "patients": VOUCHED})
    metadx("train", recipe, "--out", tmp_path / "out").ok()


def test_a_case_without_a_patient(metadx: Metadx, tmp_path: Path) -> None:
    lines = good(tmp_path)
    lines[3] = re.sub(r",p[^,]*", ",", lines[3])
    said = refused_table(metadx, tmp_path, "\n".join(lines))
    assert "table.csv: column 'patient' is missing in row 3 (1 rows in all). Fill it in" in said


def test_one_class_only(metadx: Metadx, tmp_path: Path) -> None:
    lines = [re.sub(r"^condition \d+", "flu", line) for line in good(tmp_path)]
    said = refused_table(metadx, tmp_path, "\n".join(lines))
    assert "every case has the label 'flu'. A diagnosis needs cases of at least two conditions" in said


@pytest.mark.parametrize("label", ["", "NaN", "nan", "NA", "?"])
def test_missing_labels(metadx: Metadx, tmp_path: Path, label: str) -> None:
    lines = good(tmp_path)
    lines[5] = re.sub(r"^condition \d+", label, lines[5])
    said = refused_table(metadx, tmp_path, "\n".join(lines))
    assert "column 'label' is missing in row 5 (1 rows in all). Fill it in or leave those cases out" in said


@pytest.mark.parametrize(
    ("tasks", "mend"),
    [
        ({"ways": 2, "shots": 40}, "shots"),
        ({"ways": 9, "shots": 2}, "ways"),
        ({"ways": 9, "shots": 40}, None),
    ],
)
def test_fewer_cases_than_ways_times_shots(
    metadx: Metadx, tmp_path: Path, tasks: dict[str, int], mend: str | None
) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"}, tasks=tasks)
    said = refused(metadx, recipe)
    assert f"cannot draw {tasks['ways']} ways x {tasks['shots']} shots" in said
    assert "from 4 conditions with [8, 8, 8, 8] cases" in said
    if mend is None:
        return
    possible = dict(
        zip(("shots", "ways") if mend == "shots" else ("ways", "shots"), _numbers(said), strict=True)
    )
    assert possible.keys() == tasks.keys()
    write_recipe(recipe, {"csv": "table.csv"}, tasks=possible)
    metadx("train", recipe, "--out", tmp_path / "out").ok()
    more = possible | {mend: possible[mend] + 1}
    refused(metadx, write_recipe(recipe, {"csv": "table.csv"}, tasks=more))


def _numbers(said: str) -> list[int]:
    found = re.search(r"Possible: (\d+) \w+ at (\d+) \w+", said)
    assert found, said
    return [int(number) for number in found.groups()]


def test_fewer_held_out_cases_than_an_evaluation_asks_for(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    run = tmp_path / "out"
    metadx("train", recipe, "--out", run).ok()
    before = files(run)
    said = metadx("evaluate", run, "--shots", "1,20").mistake()
    assert files(run) == before
    shots, ways = _numbers(said)
    metadx("evaluate", run, "--shots", f"1,{shots}", "--ways", ways, "--episodes", 2).ok()


def test_too_few_conditions_for_three_sides(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", conditions=3)
    said = refused(metadx, write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"}))
    assert "of 3 in all, and each of the three sides needs two" in said
    assert "fit logistic regression to them instead" in said


def test_an_empty_table(metadx: Metadx, tmp_path: Path) -> None:
    assert "table.csv: the file is empty. Give a header line" in refused_table(metadx, tmp_path, "")
    assert "table.csv: no cases below the header" in refused_table(metadx, tmp_path, "label,patient,a\n")


def test_a_line_of_two_gigabytes(metadx: Metadx, tmp_path: Path) -> None:
    with (tmp_path / "huge.csv").open("wb") as file:  # sparse: it takes no room on the disk
        file.write(b"label,patient,a\n")
        file.seek(2 << 30)
        file.write(b"\n")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "huge.csv"})
    said = metadx("train", recipe, "--out", tmp_path / "out").mistake()
    assert "huge.csv: line 2 is longer than 1 MB. Is this a CSV with one case per line?" in said
    assert not (tmp_path / "out").exists()


def test_other_encodings(metadx: Metadx, tmp_path: Path) -> None:
    lines = good(tmp_path)
    lines[2] = lines[2].replace("condition 0", "Ödem")
    said = refused_table(metadx, tmp_path, "\n".join(lines).encode("latin-1"))
    assert re.search(r"table\.csv: line 3 is not UTF-8 \(byte \d+\)\. Save as UTF-8", said)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "C:\\x.png", "link.png"])
def test_a_manifest_that_points_outside_its_folder(metadx: Metadx, tmp_path: Path, path: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    said = refused_table(metadx, folder, f"label,patient,path\na,1,{path}\nb,2,{path}\n")
    assert (
        f"table.csv: row 1 points outside the manifest's folder ('{path}'). Put the pictures beside" in said
    )


def picture(kind: str, path: Path) -> None:
    """Replaces a picture by one that cannot be read."""
    if kind == "no picture":
        path.write_text("this is text")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "another size":
        Image.new("L", (5, 7)).save(path)
    elif kind == "another mode":
        Image.new("RGB", (12, 12), (200, 1, 1)).save(path)
    elif kind == "transparent":
        Image.new("RGBA", (12, 12), (200, 1, 1, 9)).save(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no picture", "not a PNG, JPEG, TIFF or DICOM picture. Replace it or leave it out"),
        ("empty", "not a PNG, JPEG, TIFF or DICOM picture"),
        ("truncated", "truncated or damaged"),
        ("another size", "is 7 x 5 grey. Give size="),
        ("another mode", "is 12 x 12 colour. Give size= (and channels= 1 or 3)"),
        ("transparent", "has transparent pixels. Save it without transparency"),
    ],
)
@pytest.mark.parametrize("way", ["class folders", "manifest"])
def test_a_picture_that_cannot_be_used(
    metadx: Metadx, tmp_path: Path, way: str, kind: str, said: str
) -> None:
    cells = write_pictures(tmp_path / "cells", conditions=2, pictures=3)
    bad = cells / "kind 1" / "1.png"
    picture(kind, bad)
    if way == "manifest":
        lines = ["label,patient,path"]
        for number, path in enumerate(sorted(cells.rglob("*.png"))):
            lines.append(f"{path.parent.name},p{number},{path.relative_to(tmp_path)}")
        message = refused_table(metadx, tmp_path, "\n".join(lines))
    else:
        recipe = write_recipe(tmp_path / "recipe.yaml", {"folder": "cells", "patients": VOUCHED})
        message = refused(metadx, recipe)
    assert str(bad) in message
    assert said in message


def test_pictures_without_patients(metadx: Metadx, tmp_path: Path) -> None:
    write_pictures(tmp_path / "cells", conditions=2, pictures=3)
    said = refused(metadx, write_recipe(tmp_path / "recipe.yaml", {"folder": "cells"}))
    assert "cells: no patient ids" in said
    assert VOUCHED in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"traning": {}}, "unknown key 'traning'; did you mean 'training'?"),
        ({"training": {"iteration": 1}}, "unknown key 'training.iteration'; did you mean 'iterations'?"),
        ({"tasks": {"shots": 0}}, "'tasks': shots must be at least 1, not 0"),
        ({"evaluation": {"shots": [0]}}, "'evaluation.shots': must be at least 1, not [0]"),
        ({"algorithm": {"name": "mamml"}}, "unknown algorithm 'mamml'; did you mean 'maml'?"),
        (
            {"algorithm": {"name": "maml", "inner_stps": 2}},
            "unknown key 'algorithm.maml.inner_stps'; did you mean 'inner_steps'?",
        ),
        ({"learner": {"name": "mlpp"}}, "unknown learner 'mlpp'; did you mean 'mlp'?"),
        (
            {"learner": {"name": "mlp", "hiden": [2]}},
            "unknown key 'learner.mlp.hiden'; did you mean 'hidden'?",
        ),
    ],
)
def test_a_slip_in_the_recipe(metadx: Metadx, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    write_table(tmp_path / "table.csv")
    assert said in refused(metadx, write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"}, **changes))


def test_square_brackets_in_a_message_are_not_taken_for_colours(metadx: Metadx, tmp_path: Path) -> None:
    folder = tmp_path / "[red]cells[" / "red] [" / "]"
    said = metadx("train", folder / "no.yaml", "--out", tmp_path / "out").mistake()
    assert said.startswith(f"{folder}/no.yaml: no such recipe")


@pytest.mark.parametrize("shots", ["0", "1,0", "x", "", "1.5", "-1"])
def test_shots_of_an_evaluation(metadx: Metadx, tmp_path: Path, shots: str) -> None:
    write_table(tmp_path / "table.csv")
    metadx(
        "train", write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"}), "--out", tmp_path / "out"
    ).ok()
    before = files(tmp_path)
    assert "shots" in metadx("evaluate", tmp_path / "out", f"--shots={shots}").mistake()
    assert files(tmp_path) == before


def test_a_data_set_that_is_not_here(metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METADX_DATA", raising=False)
    said = refused(metadx, write_recipe(tmp_path / "recipe.yaml", {"name": "bloodmnist"}))
    assert said == "bloodmnist is not on this machine. Get it with `metadx data get bloodmnist`."
    said = refused(metadx, write_recipe(tmp_path / "recipe.yaml", {"name": "bloodmist"}))
    assert "no data set 'bloodmist' in the catalogue. Did you mean bloodmnist" in said
    assert "Get it with `metadx data get bloodmnist`" in metadx("data", "check", "bloodmnist").mistake()


def test_a_folder_that_is_no_run(metadx: Metadx, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        said = metadx("evaluate", folder).mistake()
        assert said == f"{folder}: not a run folder. Make one with `metadx train RECIPE --out {folder}`."
        said = metadx("report", folder).mistake()
        assert "no evaluation there. Make one with `metadx evaluate" in said
    (tmp_path / "evaluation.json").write_text("{}")
    assert "evaluation.json: not an evaluation" in metadx("report", tmp_path).mistake()


def test_an_output_that_exists_is_left_alone(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    before = files(tmp_path)
    for out in (tmp_path / "out", recipe):
        said = metadx("train", recipe, "--out", out).mistake()
        assert said == f"{out}: already exists. Choose another --out, or remove it first."
    for out in (recipe, recipe / "below"):
        assert f"{recipe}: is a file, not a folder" in metadx("demo", "--out", out).mistake()
    assert files(tmp_path) == before


def test_a_place_that_cannot_be_written(
    metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})

    def refuse(self: Path, *rest: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    said = metadx("train", recipe, "--out", tmp_path / "out").mistake()
    assert said == f"{tmp_path / 'out'}: Permission denied. Mend the path, its permissions or the disk."


def test_training_that_diverges(metadx: Metadx, tmp_path: Path) -> None:
    sine = {"function": "sinusoid"}
    recipe = write_recipe(
        tmp_path / "recipe.yaml",
        {**sine, "split": {}},
        algorithm={"name": "maml", "inner_lr": 1e30},
        learner={"name": "mlp"},
        tasks={"shots": 5},
    )
    outcome = metadx("train", recipe, "--out", tmp_path / "runs" / "a")
    said = outcome.err.strip().splitlines()[-1]
    assert outcome.code == 2
    assert "step 1: what task 1 of 2" in outcome.err
    assert "no task of 4 batches in a row gave a finite direction" in said
    assert "Lower the outer `lr` or the inner one, or set `clip` to 10" in said


def test_a_table_of_values_is_not_for_conditions(metadx: Metadx, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["target,patient,a", *(f"{rng.normal():.2f},p{i},{i}" for i in range(9))]
    assert "need a `label` column" in refused_table(metadx, tmp_path, "\n".join(lines))
