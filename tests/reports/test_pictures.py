"""The pictures: SVG that parses, says in words what it shows, and keeps its labels apart."""

from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadx.evaluation.result import EvaluationResult
from metadx.reports import pictures
from metadx.reports.pictures.labels import spread
from metadx.reports.words import one_line

Make = Callable[..., EvaluationResult]


def every_picture(result: EvaluationResult) -> list[str]:
    drawn = [pictures.curves(result), pictures.curves(result, narrow=True)]
    for draw in (pictures.ranking, pictures.differences, pictures.sensitivity, pictures.calibration):
        drawn += [draw(result, shot) for shot in result.shots]
    return drawn


def test_each_has_a_title_a_description_and_own_ids(result: EvaluationResult) -> None:
    seen: set[str] = set()
    for svg in every_picture(result):
        root = ElementTree.fromstring(svg)
        ids = [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
        assert root.attrib["role"] == "img"
        assert set(root.attrib["aria-labelledby"].split()) <= set(ids)
        assert [child.tag for child in root][:2] == ["title", "desc"]
        assert all(child.text for child in list(root)[:2])
        assert len(ids) == len(set(ids))
        assert not seen & set(ids)
        seen.update(ids)


def test_numbers_are_read_aloud(result: EvaluationResult) -> None:
    assert "Logistic regression: 57." in pictures.curves(result)
    assert "right 9" in pictures.calibration(result, 5)
    assert "Benign keratosis: " in pictures.sensitivity(result, 5)


def test_pictures_do_not_depend_on_the_users_settings(result: EvaluationResult) -> None:
    import matplotlib

    before = pictures.differences(result, 5)
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert pictures.differences(result, 5) == before


def test_names_outside_the_font_do_not_warn(made: Make) -> None:
    assert "黑色素瘤" in pictures.sensitivity(made(conditions=("黑色素瘤", "$x$")), 5)


def test_mathematics_in_names_stays_text(made: Make) -> None:
    assert "$x_1$" in pictures.sensitivity(made(conditions=("$x_1$",)), 5)


@pytest.mark.parametrize("methods", [1, 12])
def test_any_number_of_methods(made: Make, methods: int) -> None:
    for svg in every_picture(made(count=methods)):
        ElementTree.fromstring(svg)


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(10, 30)), min_size=1, max_size=12), st.floats(400, 900)
)
def test_labels_never_overlap(items: list[tuple[float, float]], high: float) -> None:
    wanted = sorted(y for y, _ in items)
    heights = [height for _, height in items]
    placed = spread(wanted, heights, 0.0, high)
    edges = [(y - h / 2, y + h / 2) for y, h in zip(placed, heights, strict=True)]
    assert all(above[0] >= below[1] - 1e-6 for below, above in pairwise(edges))
    assert edges[0][0] >= -1e-6
    assert edges[-1][1] <= high + 1e-6


def test_labels_with_room_stay_where_they_want_to_be() -> None:
    assert spread([10.0, 50.0, 90.0], [10.0, 10.0, 10.0], 0.0, 100.0) == [10.0, 50.0, 90.0]


def test_one_line_cuts_and_cleans() -> None:
    assert one_line("a\nb\x07c", 10) == "a b c"
    assert one_line("abcdefghij", 5) == "abcd…"
