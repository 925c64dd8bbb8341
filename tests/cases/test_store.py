"""Pictures on disk: the same cases, read once, whole or read anew; and never all in memory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metadx.cases import Cases, Provenance, Room, Stored, read_folders, read_table, through_store
from metadx.cases import store as store_module
from metadx.durable import DiskFull
from metadx.errors import UserError
from metadx.studies import build_problem
from metadx.studies.problem import read_cases
from metadx.studies.recipe import DataSettings, Recipe

VOUCHED = "every case is a different patient"


def class_folders(root: Path, number: int = 6) -> Path:
    rng = np.random.default_rng(0)
    for label in ("a", "b", "c"):
        (root / label).mkdir(parents=True)
        for i in range(number):
            values = rng.integers(0, 256, (8, 6, 3), dtype=np.uint8)
            Image.fromarray(values).save(root / label / f"{i}.png")
    return root


def same(a: Cases, b: Cases) -> None:
    for field in fields(Cases):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray | Stored):
            assert np.array_equal(np.asarray(one), np.asarray(other)), field.name
            assert np.asarray(one).dtype == np.asarray(other).dtype
        elif field.name == "details":
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[k], other[k]) for k in one)
        else:
            assert one == other, field.name
    assert a.fingerprint() == b.fingerprint()


def settings(folder: Path, store: Path | None, **more: Any) -> DataSettings:
    return DataSettings(folder=folder, patients=VOUCHED, store=store, **more)


@pytest.mark.parametrize("rotations", [False, True])
def test_the_cases_are_those_of_memory(rotations: bool, tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "cells")
    more: dict[str, Any] = {"rotations": rotations, "size": 8}
    plain = read_cases(settings(folder, None, **more))
    for _ in range(2):
        kept = read_cases(settings(folder, tmp_path / "store", **more))
        assert isinstance(kept.x, Stored)
        same(plain, kept)
    some = [4, 1, 1, 9]
    same(plain.select(some), kept.select(some))
    assert isinstance(kept.select(some).x, Stored)
    same(plain.of_conditions(plain.classes[:2]), kept.of_conditions(plain.classes[:2]))
    same(plain, pickle.loads(pickle.dumps(kept)))  # noqa: S301
    assert len(pickle.dumps(kept.x)) < 1000


def test_all_that_cases_hold_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "pictures"
    place.mkdir()
    cases = Cases(
        x=np.random.default_rng(0).integers(0, 256, (4, 1, 2, 2, 2), dtype=np.uint8),
        y=np.array([0, 1, 1, 0]),
        patient=np.array(["p", "q", "r", "é"]),
        classes=("well", "ill"),
        modality="image",
        provenance=Provenance("here", "none", "sum", ("turned",), ("one note", "two")),
        site=np.array(["s"] * 4),
        time=np.array(["2020-01-01", "NaT", "2020-01-03", "2020-01-04"], dtype="datetime64[D]"),
        name=np.array(list("abcd")),
        group=np.array(["", "g", "g", ""]),
        details={"view": np.array(["left", "right", "", "left"])},
        reach=(1.0, 2.0),
        quantity="q",
        unit="u",
        reader="r",
    )
    kept = through_store(tmp_path / "store", place, "", lambda room: cases)
    assert np.isnat(kept.time).tolist() == [False, True, False, False]  # type: ignore[arg-type]
    day = np.arange(4)
    same(replace(cases, time=day), replace(kept, time=day))


def test_pictures_are_read_into_the_file(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "cells")
    asked: list[tuple[int, ...]] = []

    def reading(room: Room) -> Cases:
        def noting(shape: tuple[int, ...]) -> Any:
            asked.append(shape)
            return room(shape)

        return read_folders(folder, patients=VOUCHED, room=noting)

    through_store(tmp_path / "store", folder, "", reading)
    assert asked == [(18, 3, 8, 6)]


def test_a_manifest_and_the_pictures_it_names(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    rows = [f"{label}/{i}.png,{label},{label}{i}" for label in "abc" for i in range(6)]
    (folder / "cells.csv").write_text("path,label,patient\n" + "\n".join(rows) + "\n")
    data = DataSettings(csv=folder / "cells.csv", store=tmp_path.parent / f"{tmp_path.name}-store")
    same(read_table(folder / "cells.csv"), read_cases(data))
    Image.fromarray(np.zeros((8, 6, 3), dtype=np.uint8)).save(folder / "b" / "3.png")
    again = read_cases(data)
    same(read_table(folder / "cells.csv"), again)
    assert not np.asarray(again.x)[9].any()


def only(store: Path) -> Path:
    (kept,) = store.iterdir()
    return kept


@pytest.mark.parametrize("damage", ["no about", "half an about", "short", "other shape", "pickle", "changed"])
def test_what_is_not_whole_is_read_anew(damage: str, tmp_path: Path) -> None:
    folder, store = class_folders(tmp_path / "cells"), tmp_path / "store"
    data = settings(folder, store)
    read_cases(data)
    about, x = only(store) / "about.json", only(store) / "x.npy"
    if damage == "no about":
        about.unlink()
    elif damage == "half an about":
        about.write_text(about.read_text()[:40])
    elif damage == "short":
        os.truncate(x, x.stat().st_size - 1)
    elif damage == "other shape":
        np.save(x, np.zeros((2, 3, 8, 6), dtype=np.uint8))
    elif damage == "pickle":
        np.save(x, np.array([{}], dtype=object), allow_pickle=True)
    else:
        Image.fromarray(np.zeros((8, 6, 3), dtype=np.uint8)).save(folder / "a" / "0.png")
    same(read_cases(settings(folder, None)), read_cases(data))
    assert [p.name for p in store.iterdir()] == [only(store).name]


def test_one_that_was_cut_short_leaves_nothing_that_counts(tmp_path: Path) -> None:
    folder, store = class_folders(tmp_path / "cells"), tmp_path / "store"
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )

    def fails(room: Room) -> Cases:
        room((18, 3, 8, 6))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        through_store(store, folder, "", fails)
    assert not list(store.iterdir())
    with pytest.raises(KeyboardInterrupt):
        through_store(store, folder, "", lambda room: left_behind(store, int(gone.stdout)))
    through_store(store, folder, "", lambda room: read_folders(folder, patients=VOUCHED, room=room))
    assert [p.name for p in store.iterdir()] == [only(store).name]


def left_behind(store: Path, process: int) -> Cases:
    """As if another process had been killed in the middle."""
    (mine,) = store.iterdir()
    other = mine.with_suffix(f".{process}")
    other.mkdir()
    (other / "x.npy").write_bytes(b"half")
    raise KeyboardInterrupt


def test_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folders(tmp_path / "cells")
    with pytest.raises(UserError, match=r"lies in the data .*Choose a folder beside"):
        read_cases(settings(folder, folder / "store"))
    (tmp_path / "table.csv").write_text(
        "label,patient,v\n" + "".join(f"{i % 2},p{i},{i}\n" for i in range(8))
    )
    with pytest.raises(UserError, match=r"keeps pictures on disk, not table cases\. Leave it out"):
        read_cases(DataSettings(csv=tmp_path / "table.csv", store=tmp_path / "store"))
    assert not list((tmp_path / "store").iterdir())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "posix_fallocate", full)
    with pytest.raises(DiskFull, match=r"no room for 3 kB of pictures \(No space left"):
        read_cases(settings(folder, tmp_path / "store"))


def test_a_recipe_trains_from_the_store_as_from_memory(tmp_path: Path) -> None:
    folder = five(tmp_path / "five")
    recipe = {"algorithm": {"name": "protonet"}, "tasks": {"ways": 2, "shots": 1, "query": 2}}
    batches = []
    for store in (None, tmp_path / "store"):
        data = settings(folder, store).model_dump()
        splits = build_problem(Recipe.model_validate({"data": data} | recipe)).splits
        batches.append(splits.train.sample(np.random.default_rng(0), 3))
    assert np.array_equal(batches[0].support.x, batches[1].support.x)
    assert json.loads((only(tmp_path / "store") / "about.json").read_text())["shape"] == [60, 3, 8, 6]


def five(root: Path) -> Path:
    class_folders(root / "x", 10)
    class_folders(root / "y", 10)
    for at, folder in enumerate([*(root / "x").iterdir(), *(root / "y").iterdir()]):
        folder.rename(root / f"kind {at}")
    (root / "x").rmdir()
    (root / "y").rmdir()
    return root
