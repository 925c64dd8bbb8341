"""What is said of a mistake is one line, whatever a damaged file put into it."""

import pickle

import pytest

from metadx.errors import MissingData, UserError


@pytest.mark.parametrize("kind", [UserError, MissingData])
def test_a_message_is_one_line(kind: type[UserError]) -> None:
    error = kind("x.arff: no column 'cla\nss\r\n'. Name\u2028another.")
    assert str(error) == "x.arff: no column 'cla ss '. Name another."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  as it comes back from a worker
