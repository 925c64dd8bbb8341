"""The report: complete, self-contained, safe against names from users' files, the same bytes every time."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from metadx.evaluation.result import EvaluationResult, Score
from metadx.reports import render_report, write_report

Make = Callable[..., EvaluationResult]
VOID = {"meta", "br", "hr", "img", "link", "input", "col"}
HOSTILE = (
    "<script>alert(1)</script><img src=https://evil.example/x onerror=\"x\"> 'q' & $x_{1}$ "
    "url(https://evil.example) \x07"
)


class Page(HTMLParser):
    """Collects what the tests ask about, and insists that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_every_tag_is_closed_and_every_id_is_unique(result: EvaluationResult) -> None:
    page = Page(render_report(result))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_page_asks_nothing_of_the_outside(made: Make) -> None:
    html = render_report(made(title=HOSTILE, conditions=(HOSTILE, "other")))
    page = Page(html)
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & {
        t for t, _ in page.tags
    }
    for _, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}:
                assert value is not None
                assert value.startswith("#")
                assert value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value or ""):
                if name not in {"aria-label"}:
                    assert target.startswith("#")
                    assert target[1:] in ids
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_names_are_text(made: Make) -> None:
    shots = (1, 5)
    plain = made(shots=shots)
    methods = tuple(m.model_copy(update={"title": HOSTILE}) for m in plain.methods)
    data = plain.data.model_copy(update={"name": HOSTILE, "notes": (HOSTILE,)})
    split = plain.split.model_copy(update={"left_out": {HOSTILE: HOSTILE}})
    html = render_report(
        made(
            shots=shots,
            conditions=(HOSTILE, "other"),
            methods=methods,
            data=data,
            split=split,
            title=HOSTILE,
            summary=(HOSTILE,),
        )
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "alert(1)" in Page(html).text


def test_same_result_same_bytes(result: EvaluationResult, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(EvaluationResult.model_validate_json(result.model_dump_json()), tmp_path / "new" / name)
    first, second = ((tmp_path / "new" / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.html", "b.html"]


def test_a_failed_report_leaves_the_old_one(
    result: EvaluationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(result, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["result", "regression"])
def test_every_score_and_difference_is_there(name: str, request: pytest.FixtureRequest) -> None:
    outcome: EvaluationResult = request.getfixturevalue(name)
    page = Page(render_report(outcome))
    exact = [attrs["value"] for tag, attrs in page.tags if tag == "data"]
    for item in (*outcome.scores, *outcome.differences):
        assert repr(item.value) in exact


def test_what_a_reader_must_not_miss(result: EvaluationResult) -> None:
    text = " ".join(Page(render_report(result)).text.replace("\u00a0", " ").split())
    first = text.index(result.summary[0])
    assert (
        first < text.index("not a medical device") < text.index(result.data.notes[0]) < text.index("In short")
    )
    protocol, data = result.protocol, result.data
    for words in (
        *result.summary,
        *data.preprocessing,
        data.source,
        data.licence,
        protocol.command,
        protocol.hardware,
        protocol.date,
        "600 episodes",
        "15 query cases",
        "95 % interval",
        "only 4 patients",
        "lr = 0.01",
        *result.split.train,
        *result.split.validation,
        *result.split.test,
    ):
        assert words in text


def test_transductive_numbers_say_so(result: EvaluationResult) -> None:
    protocol = result.protocol.model_copy(update={"mode": "transductive"})
    html = render_report(result.model_copy(update={"protocol": protocol}))
    assert "These numbers are transductive" in html


def test_the_baseline_may_win(made: Make) -> None:
    html = render_report(made(recommended=dict.fromkeys((1, 5, 10, 20), "logistic")))
    assert "Validation chose a baseline" in html


@pytest.mark.parametrize("shots", [(5,), (0, 5), (1, 2, 5, 10, 20, 50)])
def test_any_numbers_of_shots(made: Make, shots: tuple[int, ...]) -> None:
    Page(render_report(made(shots=shots)))


def test_regression_has_no_conditions_and_no_calibration(regression: EvaluationResult) -> None:
    page = Page(render_report(regression))
    sections = {attrs.get("id") for tag, attrs in page.tags if tag == "section"}
    assert {"curves", "differences", "numbers", "data", "protocol", "limits"} <= sections
    assert not {"sensitivity", "calibration"} & sections
    assert "Root mean squared error" in page.text
    assert "per condition" not in page.text


@pytest.mark.parametrize("value", [None, float("nan")])
def test_missing_values_are_dashes_with_a_reason(made: Make, value: float | None) -> None:
    plain = made()
    gone = {"value": value, "low": value, "high": value, "n": 0}
    alone = {"low": value, "high": value, "n": 1}

    def spoil(score: Score) -> Score:
        if score.method == "maml":
            return score.model_copy(update=gone)
        return score.model_copy(update=alone) if score.method == "centroid" else score

    scores = tuple(spoil(s) for s in plain.scores if s.method != "protonet")
    differences = tuple(d.model_copy(update=gone) for d in plain.differences)
    html = render_report(made(scores=scores, differences=differences))
    text = Page(html).text
    assert not re.search(r"\b(nan|null|inf|None)\b", text)
    for reason in ("undefined in every episode", "no interval from a single episode", "not run"):
        assert reason in text


def test_nothing_at_all_is_still_a_page(made: Make) -> None:
    empty = made(
        count=0, scores=(), differences=(), conditions=(), calibration=(), recommended={}, baseline={}
    )
    Page(render_report(empty))
