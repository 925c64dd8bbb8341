"""What a diagnoser says, of every algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diagnosis.making import EVERY, FIXED, Kind, diagnoser, given, model
from metadx.algorithms import MAML
from metadx.diagnosis import Diagnoser, MetaModel
from metadx.errors import UserError

LABELS = [
    ("text", ["flu", "gout", "mumps"]),
    ("text of one letter and many", ["a", "zz zz zz", "ä, (b)"]),
    ("numbers with gaps", [-3, 7, 1000]),
    ("whole decimals", [0.0, 1.0, 5.0]),
    ("true or false", [False, True]),
    ("objects", np.asarray(["b", "a", "a long one"], dtype=object)),
]


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_no_finding_depends_on_the_other_patients(name: str, kind: Kind) -> None:
    fitted, cases = diagnoser(name, kind), given(kind)
    together = fitted.predict_proba(cases.query)
    alone = np.concatenate([fitted.predict_proba(cases.query[i : i + 1]) for i in range(len(cases.query))])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(cases.query[::-1])[::-1], together, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_findings_add_up_and_show_the_nearest_first(name: str, kind: Kind) -> None:
    fitted, cases = diagnoser(name, kind), given(kind)
    findings = fitted.diagnose(cases.query, [f"p{i}" for i in range(6)])
    assert [f.case for f in findings] == [f"p{i}" for i in range(6)]
    probability = fitted.predict_proba(cases.query)
    for finding, row, said in zip(findings, probability, fitted.predict(cases.query), strict=True):
        assert list(finding.probabilities) == ["flu", "gout", "mumps"]
        np.testing.assert_array_equal([*finding.probabilities.values()], row)
        assert sum(finding.probabilities.values()) == pytest.approx(1, abs=1e-12)
        assert finding.diagnosis == said == max(finding.probabilities, key=finding.probabilities.__getitem__)
        assert len(finding.similar) == 3
        assert [s.distance for s in finding.similar] == sorted(s.distance for s in finding.similar)
    known = fitted.diagnose(cases.x)
    for at, finding in enumerate(known):
        nearest = finding.similar[0]
        assert (nearest.case, nearest.diagnosis, nearest.distance) == (f"case {at + 1}", cases.y[at], 0)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_adding_equals_adapting_to_all(name: str, kind: Kind) -> None:
    cases = given(kind, shots=4)
    old = cases.y != "mumps"
    first = Diagnoser(model(name, kind)).fit(cases.x[old], cases.y[old])
    before = first.predict_proba(cases.query)
    more = first.add(cases.x[~old], cases.y[~old])  # of a new condition
    order = [*np.flatnonzero(old), *np.flatnonzero(~old)]
    every = Diagnoser(first.model).fit(cases.x[order], cases.y[order])
    np.testing.assert_array_equal(more.predict_proba(cases.query), every.predict_proba(cases.query))
    assert more.diagnose(cases.query) == every.diagnose(cases.query)
    assert more.classes_.tolist() == ["flu", "gout", "mumps"]
    np.testing.assert_array_equal(first.predict_proba(cases.query), before)
    assert first.classes_.tolist() == ["flu", "gout", "mumps"][: 3 if name in FIXED else 2]
    one = more.add(cases.query[:1], ["flu"], ["new"])  # of a known one
    assert one.counts_.tolist() == [5, 4, 4]
    assert one.diagnose(cases.query[:1])[0].similar[0].case == "new"


def test_adding_to_the_simple_thing_ranks_anew() -> None:
    cases = given()
    more = Diagnoser().fit(cases.x[:6], cases.y[:6]).add(cases.x[6:], cases.y[6:])
    every = Diagnoser().fit(cases.x, cases.y)
    np.testing.assert_array_equal(more.predict_proba(cases.query), every.predict_proba(cases.query))
    assert more.n_features_in_ == 3


def test_adding_labels_of_another_kind() -> None:
    cases = given()
    with pytest.raises(UserError, match="labels such as 3 beside 'flu': give labels of the same kind"):
        diagnoser().add(cases.query[:1], [3])


@pytest.mark.parametrize(("_", "classes"), LABELS, ids=[name for name, _ in LABELS])
def test_labels_come_back_as_they_were_given(_: str, classes: Any) -> None:
    cases = given(shots=4)
    y = np.asarray(classes)[np.arange(12) % len(classes)]
    fitted = Diagnoser(model("protonet")).fit(cases.x, y)
    assert fitted.classes_.tolist() == sorted(np.asarray(classes).tolist())
    assert set(fitted.predict(cases.x).tolist()) <= set(np.asarray(classes).tolist())
    assert [f.diagnosis for f in fitted.diagnose(cases.x)] == [str(c) for c in fitted.predict(cases.x)]


def test_more_conditions_than_the_network_has_outputs() -> None:
    cases = given(shots=4)
    with pytest.raises(UserError, match="the network has 4 outputs but the task has 6 ways"):
        Diagnoser(model("maml")).fit(cases.x, np.arange(12) % 6)


def test_one_condition_and_wrong_names() -> None:
    cases = given()
    with pytest.raises(UserError, match="holds one class only, 'flu'; a diagnosis needs two conditions"):
        Diagnoser(model("maml")).fit(cases.x[:3], cases.y[:3])
    for call in (lambda f: f.diagnose(cases.query, ["a"]), lambda f: f.add(cases.query, cases.y[:6], ["a"])):
        with pytest.raises(UserError, match="6 cases but 1 names"):
            call(diagnoser())


def test_probabilities_that_are_no_numbers_never_leave() -> None:
    cases = given()
    with pytest.raises(UserError, match="no finite probabilities"):
        Diagnoser(model("maml", inner_lr=1e30)).fit(cases.x, cases.y)


def test_extreme_and_missing_values_still_give_probabilities() -> None:
    fitted = diagnoser("maml")
    odd = np.asarray([[np.nan] * 3, [1e300] * 3, [-1e300, 0, 1e-300]])
    assert np.isfinite(fitted.predict_proba(odd)).all()


def test_a_file_of_many_patients_is_read_in_parts() -> None:
    fitted, cases = diagnoser("meta_logistic"), given()
    many = np.repeat(cases.query, 200, axis=0)
    np.testing.assert_allclose(
        fitted.predict_proba(many), np.repeat(fitted.predict_proba(cases.query), 200, axis=0), atol=1e-6
    )
    assert len(fitted.diagnose(many)) == 1200


def test_models_that_cannot_diagnose() -> None:
    meta = model("maml")
    with pytest.raises(UserError, match="transductive"):
        model("maml", transductive=True)
    with pytest.raises(UserError, match="instead of transductive_fine_tune, train fine_tune"):
        model("transductive_fine_tune")
    with pytest.raises(UserError, match="they were trained with another learner"):
        MetaModel(meta.algorithm, {}, {}, meta.inputs)
    assert isinstance(meta.algorithm, MAML)
