"""OpenML by number: got when asked, read from its cache without a network, and never unpickled."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cases.openml_server import OpenMLServer, Served
from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, fit_transform, get, load
from metadx.cases.openml import is_medical, parse_address, suite_members
from metadx.errors import MissingData, UserError
from metadx.studies.build import build_problem
from metadx.studies.recipe_file import parse_recipe

openml = pytest.importorskip("openml")
WORDS = EVERY_CASE_ITS_OWN_PATIENT
HEAD = "@relation r\n@attribute row numeric\n@attribute note string\n@attribute age numeric\n@attribute sex {F,M}\n"
ROWS = "".join(
    f"{i},'seen',{40 + i if i % 7 else '?'},{'FM'[i % 2]},{'abcdef'[i % 6]},{i % 2}\n" for i in range(60)
)
TABLE = HEAD + "@attribute class {a,b,c,d,e,f}\n@attribute other {0,1}\n@data\n" + ROWS


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenMLServer]:
    data = {
        100: Served("thyroid-made-up", TABLE, ignore=("other",), row_id="row"),
        7: Served("vehicles", TABLE),
        8: Served("table-8", TABLE, target="", tags=("study_14", "Medicine")),
    }
    with OpenMLServer(data, tasks={31: (100, "other"), 32: (7, "class"), 33: (8, "class")}) as running:
        running.suites[99] = [31, 32, 33]
        monkeypatch.setattr(openml.config, "server", running.url)
        monkeypatch.setattr(openml.config, "_root_cache_directory", tmp_path / "cache")
        openml.config.set_retry_policy("human", 1)
        yield running


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_data_set_is_got_when_asked_and_read_without_a_network(
    server: OpenMLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingData, match="metadx data get openml:100"):
        load("openml:100", patients=WORDS)
    assert server.asked == []
    place = get("openml:100")
    assert (place / "dataset.arff").is_file()
    assert [path.rpartition("/")[2] for path in server.asked] == ["100", "dataset.arff"]
    asked = len(server.asked)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
        cases = load("openml:100", patients=WORDS)
        assert get("openml:100") == place
    assert len(server.asked) == asked
    assert cases.features == ("age", "sex=F")
    assert cases.classes == tuple("abcdef")
    assert np.isnan(cases.x[0, 0])
    origin = cases.provenance
    assert origin.source == "thyroid-made-up, version 2 (https://www.openml.org/d/100)"
    assert origin.licence == "CC BY 4.0"
    assert origin.checksum.startswith("md5:")
    assert "left out: other, row, note" in origin.preprocessing
    assert any(WORDS in note for note in origin.notes)
    assert np.isfinite(fit_transform(cases)(cases.x)).all()


def test_without_the_words_for_its_patients_it_is_refused(server: OpenMLServer) -> None:
    get("openml:100")
    with pytest.raises(UserError, match="no patient ids"):
        load("openml:100")


def test_a_task_says_the_target_and_a_name_can(server: OpenMLServer) -> None:
    get("openml:task:31")
    assert load("openml:task:31", patients=WORDS).classes == ("0", "1")
    assert load("openml:100#other", patients=WORDS).classes == ("0", "1")
    with pytest.raises(MissingData, match="data get openml:task:32"):
        load("openml:task:32", patients=WORDS)
    get("openml:8")
    with pytest.raises(UserError, match="which column to diagnose"):
        load("openml:8", patients=WORDS)


def test_a_suite_is_its_data_sets_of_medicine(server: OpenMLServer) -> None:
    with pytest.raises(MissingData, match="data get openml:suite:99"):
        suite_members(99)
    get("openml:suite:99")
    assert [m.address for m in suite_members(99)] == ["openml:8#class", "openml:100#other"]
    assert [m.name for m in suite_members(99, medical=False)] == ["vehicles", "table-8", "thyroid-made-up"]
    assert not any("files/7/" in path for path in server.asked)
    for member in suite_members(99):
        assert len(load(member.address, patients=WORDS)) == 60
    with pytest.raises(UserError, match="is a suite"):
        load("openml:suite:99", patients=WORDS)


def test_a_recipe_draws_tasks_from_it(server: OpenMLServer) -> None:
    get("openml:100")
    data = {"name": "openml:100", "patients": WORDS, "split": {"share": [1, 1, 1], "large": 4, "least": 2}}
    recipe = parse_recipe(
        {"data": data, "tasks": {"ways": 2, "shots": 2, "query": 3}, "algorithm": {"name": "protonet"}}
    )
    problem = build_problem(recipe)
    assert problem.data.name == "openml:100"
    assert problem.splits.train.tasks(1)[0].ways == 2


def test_pickles_that_the_package_keeps_are_never_opened(server: OpenMLServer, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    place = get("openml:100")
    for name in ("dataset.pkl.py3", "features.xml.pkl", "qualities.xml.pkl", "dataset.arff.pkl"):
        (place / name).write_bytes(pickle.dumps(Trap()))
    (place / "features.xml").write_text("<oml:data_features/>")
    load("openml:100", patients=WORDS)
    get("openml:100")
    get("openml:task:31")
    get("openml:suite:99")
    load("openml:task:31", patients=WORDS)
    assert not (tmp_path / "sprung").exists()
    assert not any("feature" in path or "qualities" in path for path in server.asked)


def test_a_file_changed_in_the_cache_is_refused(server: OpenMLServer) -> None:
    place = get("openml:100")
    with (place / "dataset.arff").open("a") as file:
        file.write("61,'seen',5,F,a,1\n")
    with pytest.raises(UserError, match="has not the checksum that OpenML says"):
        load("openml:100", patients=WORDS)
    (place / "description.xml").write_text("<oml:data_set_description")
    with pytest.raises(UserError, match="no sound XML"):
        load("openml:100", patients=WORDS)
    (place / "description.xml").write_text('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    with pytest.raises(UserError, match="entities"):
        load("openml:100", patients=WORDS)


def test_what_was_cut_short_or_withdrawn_is_said(server: OpenMLServer) -> None:
    server.data[9] = Served("cut", TABLE, md5="0" * 32)
    with pytest.raises(UserError, match="checksum"):
        get("openml:9")
    server.data[10] = Served("old", TABLE, status="deactivated")
    get("openml:10")
    assert any("withdrawn" in note for note in load("openml:10", patients=WORDS).provenance.notes)


def test_parquet_in_the_cache_is_read_as_unverified(server: OpenMLServer) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    place = get("openml:100")
    table = pyarrow.table(
        {"row": [1, 2, 3, 4], "other": ["0"] * 4, "age": [1.0, None, 3, 4], "class": ["a", "b", "a", "b"]}
    )
    parquet.write_table(table, place / "dataset_100.pq")
    (place / "dataset.arff").unlink()
    cases = load("openml:100", patients=WORDS)
    assert cases.features == ("age",)
    assert any("Not verified" in note for note in cases.provenance.notes)


def test_a_name_of_two_lines_is_said_in_one(server: OpenMLServer) -> None:
    described = get("openml:100") / "description.xml"
    described.write_text(described.read_text().replace(">class<", ">cl\nass<"))
    with pytest.raises(UserError, match="no attribute 'cl ass'"):
        load("openml:100", patients=WORDS)


def test_errors_name_the_mend(server: OpenMLServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="Is the number right"):
        get("openml:404")
    for wrong in ("openml:", "openml:x", "openml:flow:1", "openml:suite:1#a"):
        with pytest.raises(UserError, match="names nothing on OpenML"):
            load(wrong, patients=WORDS)
    monkeypatch.setattr(openml.config, "server", "http://127.0.0.1:9/api/v1/xml")
    with pytest.raises(MissingData, match="Check the network, or copy its folder"):
        get("openml:55")
    monkeypatch.setitem(__import__("sys").modules, "openml", None)
    with pytest.raises(UserError, match=r"pip install 'metadx\[openml\]'"):
        load("openml:100", patients=WORDS)


def test_addresses() -> None:
    assert parse_address("openml:100") == ("data", 100, "")
    assert parse_address("openml:data:100#a b") == ("data", 100, "a b")
    assert parse_address("openml:task:31") == ("task", 31, "")


@pytest.mark.parametrize(
    "name",
    ["sick", "breast-w", "diabetes", "wdbc", "ilpd", "blood-transfusion-service-center", "heart-statlog"],
)
def test_medicine_of_a_well_known_suite_is_known_by_name(name: str) -> None:
    assert is_medical(name)


@pytest.mark.parametrize(
    "name", ["kr-vs-kp", "letter", "balance-scale", "credit-g", "mnist_784", "dna", "electricity"]
)
def test_what_is_none_is_not(name: str) -> None:
    assert not is_medical(name)
    assert is_medical(name, ["study_99", "Health"])
