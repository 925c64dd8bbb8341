"""Tasks by group: patients of support and query differ, and no group is on two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.cases import make_cases
from metadx.cases import Cases
from metadx.errors import UserError
from metadx.tasks import (
    GroupSource,
    MetaDataset,
    MetaSplits,
    Shape,
    group_names,
    split_by_group,
    split_groups,
    stack,
)


def grouped(
    seed: int = 0, groups: int = 8, size: int = 30, classes: int = 2, patients: int | None = None
) -> Cases:
    """Cases of genes; a few have no gene; `patients` have several cases each, of several genes."""
    rng = np.random.default_rng(seed)
    n = groups * size
    owner = np.arange(n) if patients is None else rng.integers(0, patients, n)
    cases = make_cases(rng.integers(0, classes, n).tolist(), owner.tolist(), classes, seed)
    gene = np.array([f"GENE{i % groups}" for i in range(n)])
    gene[rng.integers(0, n, 5)] = ""
    return replace(cases, group=gene)


def source_of(cases: Cases, **settings: str) -> GroupSource:
    return GroupSource(cases, group_names(cases, "gene"), **settings)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    patients=st.sampled_from((None, 60, 200)),
    classes=st.integers(2, 4),
    shots=st.integers(1, 5),
    drawn=st.sampled_from(("per class", "as they come")),
)
def test_an_episode_is_of_one_group_and_of_different_patients(
    seed: int, patients: int | None, classes: int, shots: int, drawn: str
) -> None:
    cases = grouped(seed, patients=patients, classes=classes)
    source = source_of(cases, drawn=drawn)
    wanted = shots if drawn == "per class" else shots + classes
    episode = source.draw(np.random.default_rng(seed), Shape(shots=wanted, query=4))
    support, query = (np.array(rows) for rows in (episode.support, episode.query))
    assert set(group_names(cases, "gene")[[*support, *query]]) == {episode.group}
    assert not {*cases.patient[support]} & {*cases.patient[query]}
    assert len({*support, *query}) == len(support) + len(query)
    counts = np.bincount(cases.y[support], minlength=classes)
    if drawn == "per class":
        assert set(counts) == {shots}
        assert np.bincount(cases.y[query]).max() <= 4
    else:
        assert counts.sum() == wanted
        assert counts.min() >= 1
        assert len(query) <= 4
    assert source.task(episode).ways == classes


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), patients=st.sampled_from((None, 300)), named=st.integers(0, 2))
def test_no_group_and_no_patient_is_on_two_sides(seed: int, patients: int | None, named: int) -> None:
    cases = grouped(seed, groups=12, patients=patients)
    group = group_names(cases, "gene")
    test = tuple(f"GENE{i}" for i in range(named))
    split = split_groups(cases, group, seed, test=test)
    sides = split_by_group(cases, group, split)
    names = [set(found) for _, found in sides]
    people = [set(part.patient) for part, _ in sides]
    for i in range(3):
        for j in range(i):
            assert not names[i] & names[j]
            assert not people[i] & people[j]
    assert not any("" in found for found in names)
    if named:
        assert split.test == test
    assert len(split.train) + len(split.validation) + len(split.test) == 12
    train, validation, tested = (
        MetaDataset(side, [GroupSource(part, found)])  # type: ignore[arg-type]
        for side, (part, found) in zip(("train", "validation", "test"), sides, strict=True)
    )
    MetaSplits(train, validation, tested)


def test_groups_are_dealt_by_share_and_the_same_for_a_seed() -> None:
    cases = grouped(groups=20)
    group = group_names(cases, "gene")
    split = split_groups(cases, group, 3, share=(2, 1, 1))
    assert [len(side) for side in (split.train, split.validation, split.test)] == [10, 5, 5]
    assert split == split_groups(cases, group, 3, share=(2, 1, 1))
    assert split != split_groups(cases, group, 4, share=(2, 1, 1))


def test_named_groups_go_where_they_are_named_for() -> None:
    cases = grouped(groups=4)
    group = group_names(cases, "gene")
    split = split_groups(cases, group, validation=["GENE1"], test=["GENE3"])
    assert split.train == ("GENE0", "GENE2")
    assert (split.validation, split.test) == (("GENE1",), ("GENE3",))
    with pytest.raises(UserError, match="no group 'GENE9'; did you mean 'GENE"):
        split_groups(cases, group, test=["GENE9"])
    with pytest.raises(UserError, match="'GENE1' is named for validation and for test"):
        split_groups(cases, group, validation=["GENE1"], test=["GENE1"])
    with pytest.raises(UserError, match="1 groups for 2 sides"):
        split_groups(cases, group, test=["GENE0", "GENE1", "GENE2"])


def test_groups_with_too_few_cases_are_left_out_with_the_reason() -> None:
    cases = grouped(groups=6, size=60)
    gene = group_names(cases, "gene")
    few = np.flatnonzero((gene == "GENE2") & (cases.y == 1))
    kept = np.setdiff1d(np.arange(len(cases)), few[4:])
    split = split_groups(cases.select(kept), gene[kept], least=10)
    assert split.left_out == {"GENE2": "4 cases of its second class, fewer than 10"}


def test_cases_drawn_as_they_come_are_as_frequent_as_in_the_group() -> None:
    cases = grouped(groups=1, size=400)
    rare = np.flatnonzero(cases.y == 1)[:20]
    cases = cases.select(np.concatenate([np.flatnonzero(cases.y == 0), rare]))
    source = source_of(cases, drawn="as they come")
    rng = np.random.default_rng(0)
    drawn = [source.draw(rng, Shape(shots=40, query=1000)) for _ in range(60)]
    share = np.mean([cases.y[list(e.support)].mean() for e in drawn])
    assert share == pytest.approx(cases.y.mean(), abs=0.02)
    few = [source.draw(rng, Shape(shots=10, query=10)) for _ in range(60)]
    assert min(cases.y[list(e.support)].sum() for e in few) == 1
    held = int((group_names(cases, "gene") != "").sum())
    assert {len(e.support) + len(e.query) for e in drawn} == {held}


def test_a_class_with_few_cases_gives_all_but_one() -> None:
    cases = grouped(groups=2, size=60, classes=3)
    rare = np.flatnonzero(cases.y == 2)
    cases = cases.select(np.concatenate([np.flatnonzero(cases.y != 2), rare[:2]]))
    cases = replace(cases, group=np.full(len(cases), "A"))
    episode = source_of(cases).draw(np.random.default_rng(0), Shape(shots=5, query=3))
    assert np.bincount(cases.y[list(episode.support)]).tolist() == [5, 5, 1]
    assert np.bincount(cases.y[list(episode.query)]).tolist() == [3, 3, 1]


def test_ways_are_the_classes_and_values_are_targets() -> None:
    cases = grouped(classes=3)
    source = source_of(cases)
    tasks = [source.task(source.draw(np.random.default_rng(i), Shape(shots=2, query=2))) for i in range(4)]
    assert stack(tasks).support.y.shape[-1] == 3
    assert source.conditions() == frozenset()
    values = replace(cases, y=np.random.default_rng(0).normal(size=len(cases)), classes=())
    regression = GroupSource(values, group_names(values, "gene"), target=(1.0, 2.0))
    assert not regression.classification
    episode = regression.draw(np.random.default_rng(0), Shape(shots=6, query=5))
    assert (len(episode.support), len(episode.query)) == (6, 5)
    expected = torch.from_numpy((values.y[list(episode.query)] - 1) / 2).float()
    assert torch.allclose(regression.task(episode).query.y[:, 0], expected)


def test_the_same_seed_draws_the_same_episode() -> None:
    source = source_of(grouped(patients=100))
    a, b = (source.draw(np.random.default_rng(3), Shape(shots=2)) for _ in range(2))
    assert a == b


def test_axes_are_genes_sites_studies_and_details() -> None:
    cases = replace(
        grouped(), site=np.full(240, "ward"), details={"scanner": np.where(np.arange(240) % 2, "old", "new")}
    )
    assert set(group_names(cases, "site")) == {"ward"}
    assert set(group_names(cases, "scanner")) == {"old", "new"}
    assert set(group_names(cases, "study")) == {"synthetic"}
    with pytest.raises(UserError, match="no 'scaner' of its cases; did you mean 'scanner'"):
        group_names(cases, "scaner")
    with pytest.raises(UserError, match="no 'site' of its cases"):
        group_names(grouped(), "site")


def test_what_cannot_be_a_task_by_group_is_refused() -> None:
    cases = grouped()
    source = source_of(cases)
    with pytest.raises(UserError, match="no group 'GENE99'"):
        source.draw(np.random.default_rng(0), Shape(), "GENE99")
    with pytest.raises(UserError, match="none of 8 groups can give 500 shots"):
        source.draw(np.random.default_rng(0), Shape(shots=500))
    with pytest.raises(UserError, match="none of 8 groups has cases to adapt to"):
        source_of(replace(cases, y=np.zeros(len(cases), dtype=np.int64)))
    with pytest.raises(UserError, match="none of 8 groups has cases to adapt to"):
        source_of(replace(cases, patient=np.full(len(cases), "one")))
