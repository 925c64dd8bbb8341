"""Episodes by condition: exact sizes, nobody on both sides, and a shortfall that tells the truth."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.cases import entangled_cases, make_cases
from metadx.errors import UserError
from metadx.tasks import ConditionEpisode, ConditionSource, Shape

EPISODES = 50
sizes = st.integers(1, 4)


def ranges(least: int, most: int) -> st.SearchStrategy[int | tuple[int, int]]:
    pair = st.tuples(st.integers(least, most), st.integers(least, most))
    return st.integers(least, most) | pair.map(lambda p: (min(p), max(p)))


shapes = st.builds(
    Shape,
    ways=ranges(2, 5),
    shots=ranges(1, 4),
    query=ranges(1, 6),
    imbalance=st.sampled_from([0.0, 0.0, 0.5, 5.0]),
)


def within(size: int | tuple[int, int], value: int) -> bool:
    low, high = (size, size) if isinstance(size, int) else size
    return low <= value <= high


def check(source: ConditionSource, shape: Shape, episode: ConditionEpisode) -> None:
    cases = source.cases
    support, query = (
        {cases.patient[i] for row in rows for i in row} for rows in (episode.support, episode.query)
    )
    assert not support & query, "a patient is on both sides"

    assert within(shape.ways, len(episode.conditions))
    assert (
        len(set(episode.conditions)) == len(episode.conditions) == len(episode.support) == len(episode.query)
    )
    for name, *rows in zip(episode.conditions, episode.support, episode.query, strict=True):
        for row in rows:
            assert {cases.classes[cases.y[i]] for i in row} == {name}
            assert len(set(row)) == len(row) > 0
    most_query = shape.query if isinstance(shape.query, int) else shape.query[1]
    assert max(map(len, episode.query)) <= most_query

    shots = [len(row) for row in episode.support]
    if shape.imbalance == 0:
        assert len(set(shots)) == 1
        assert within(shape.shots, shots[0])
    else:
        most = shape.shots if isinstance(shape.shots, int) else shape.shots[1]
        assert min(shots) >= 1
        assert sum(shots) <= most * len(shots)


@given(seed=st.integers(0, 10_000), shape=shapes, patients=st.integers(12, 60))
@settings(max_examples=200)
def test_ten_thousand_episodes_keep_patients_apart_and_sizes_exact(
    seed: int, shape: Shape, patients: int
) -> None:
    source = ConditionSource(entangled_cases(seed, patients=patients))
    rng = np.random.default_rng(seed)
    for _ in range(EPISODES):
        check(source, shape, source.draw(rng, shape))


def test_every_condition_shot_and_query_gets_its_turn(rng: np.random.Generator) -> None:
    source = ConditionSource(entangled_cases(3))
    episodes = [source.draw(rng, Shape(ways=(2, 4), shots=(1, 3), query=(2, 4))) for _ in range(300)]
    used = {i for e in episodes for row in (*e.support, *e.query) for i in row}

    assert {len(e.conditions) for e in episodes} == {2, 3, 4}
    assert {len(e.support[0]) for e in episodes} == {1, 2, 3}
    assert {max(map(len, e.query)) for e in episodes} >= {2, 3, 4}
    assert used == set(range(len(source.cases)))


def test_imbalanced_shots_add_up_and_differ(rng: np.random.Generator) -> None:
    cases = make_cases(np.repeat(np.arange(4), 60).tolist(), range(240))
    source = ConditionSource(cases)
    drawn = [
        [len(r) for r in source.draw(rng, Shape(ways=4, shots=5, imbalance=2.0)).support] for _ in range(50)
    ]
    assert all(sum(shots) == 20 and min(shots) >= 1 for shots in drawn)
    assert any(max(shots) > 8 for shots in drawn)


def test_a_patient_with_most_cases_of_a_condition_can_still_be_drawn(rng: np.random.Generator) -> None:
    """Nine support cases are there only if the patient with a single case is the one kept for the query set."""
    patients = [f"{c}-{'many' if i else 'one'}" for c in range(6) for i in range(10)]
    source = ConditionSource(make_cases(np.repeat(np.arange(6), 10).tolist(), patients))
    for _ in range(50):
        check(source, Shape(ways=6, shots=9), source.draw(rng, Shape(ways=6, shots=9)))


@given(
    seed=st.integers(0, 10_000),
    patients=st.integers(2, 12),
    per_condition=st.integers(1, 8),
    ways=st.integers(2, 6),
    shots=st.integers(1, 12),
)
@settings(max_examples=150)
def test_a_shortfall_says_what_is_possible_and_it_is(
    seed: int, patients: int, per_condition: int, ways: int, shots: int
) -> None:
    source = ConditionSource(entangled_cases(seed, 5, patients, per_condition))
    rng = np.random.default_rng(seed)
    try:
        source.draw(rng, Shape(ways=ways, shots=shots))
    except UserError as error:
        message = str(error)
        assert f"cannot draw {ways} ways x {shots} shots" in message
        offers = re.findall(r"(\d+) (ways|shots) at (\d+) (?:ways|shots)", message.partition("Possible:")[2])
        assert offers or "Possible: nothing." in message
        for first, what, second in offers:
            possible = dict(
                zip((what, "shots" if what == "ways" else "ways"), map(int, (first, second)), strict=True)
            )
            assert possible != {"ways": ways, "shots": shots}
            for _ in range(20):
                source.draw(rng, Shape(**possible))


@pytest.mark.parametrize("huge", [1_000, 1_000_000])
def test_a_shortfall_is_told_at_once(huge: int, rng: np.random.Generator) -> None:
    source = ConditionSource(make_cases(np.arange(40_000) % 4, np.arange(40_000) // 2))
    with pytest.raises(UserError, match=r"Possible: 4 ways at 1 shots or \d+ shots at 4 ways|Possible: "):
        source.draw(rng, Shape(ways=5, shots=huge))


def test_a_knot_of_shared_patients_is_not_promised() -> None:
    """Three conditions, three patients, each pair sharing one: whoever is support in one is query in another."""
    source = ConditionSource(make_cases([0, 0, 1, 1, 2, 2], ["a", "b", "b", "c", "c", "a"]))
    with pytest.raises(UserError, match=r"Possible: 2 ways at 1 shots\."):
        source.draw(np.random.default_rng(0), Shape(ways=3, shots=1))


def test_one_patient_alone_is_never_enough() -> None:
    source = ConditionSource(make_cases([0, 0, 0, 1, 1, 1], ["a", "a", "a", "b", "b", "b"]))
    with pytest.raises(UserError, match=r"Possible: nothing\."):
        source.draw(np.random.default_rng(0), Shape(ways=2, shots=1))


def test_a_single_condition_is_no_task() -> None:
    with pytest.raises(UserError, match="at least two conditions"):
        ConditionSource(make_cases([0, 0], ["a", "b"]))


def test_a_task_holds_the_episodes_cases_and_any_stretch_of_it_is_balanced(rng: np.random.Generator) -> None:
    source = ConditionSource(entangled_cases(1))
    episode = source.draw(rng, Shape(ways=3, shots=4, query=4))
    task = source.task(episode)
    for part, rows in zip(task, (episode.support, episode.query), strict=True):
        label = part.y.argmax(1)
        for way, row in enumerate(rows):
            expected = torch.from_numpy(source.transform(source.cases.x[np.array(row)]))
            assert torch.equal(part.x[label == way], expected)
        assert part.mask.all()
    assert task.support.y[:6].sum(0).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("field", "value"),
    [("ways", 1), ("shots", 0), ("query", 0), ("shots", (0, 3)), ("ways", (4, 3)), ("imbalance", -0.5),
     ("imbalance", float("nan")), ("imbalance", float("inf"))],
)  # fmt: skip
def test_a_shape_that_cannot_be_is_refused_by_name_and_value(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field) as caught:
        Shape(**{field: value})
    assert str(value) in str(caught.value)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(ways=2, shots=1, query=1),
        Shape(ways=(2, 3), shots=(1, 9), query=(1, 15)),
        Shape(ways=3, shots=2, query=90, imbalance=1.0),
    ],
    ids=["even", "ragged", "unequal"],
)
def test_where_every_case_is_another_patient_the_short_way_draws_the_same(shape: Shape) -> None:
    y = np.random.default_rng(0).integers(0, 4, 60)
    cases = make_cases(y.tolist(), [f"p{i}" for i in np.random.default_rng(1).permutation(60)], 4)
    short, long = ConditionSource(cases), ConditionSource(cases)
    long._patients += 1  # now it cannot know
    a, b = np.random.default_rng(2), np.random.default_rng(2)
    for _ in range(30):
        assert short.draw(a, shape) == long.draw(b, shape)
    assert a.bit_generator.state == b.bit_generator.state
