"""The five beat classes of ANSI/AAMI EC57, and the two published ways to sort annotations into them."""

from __future__ import annotations

from collections.abc import Mapping

from metadx.errors import UserError, nearest

AAMI_CLASSES = ("N", "S", "V", "F", "Q")

_COMMON = {
    **dict.fromkeys("NLR", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VE", "V"),
    "F": "F",
    **dict.fromkeys("/fQ", "Q"),
}

AAMI_MAPPINGS: Mapping[str, Mapping[str, str]] = {
    "aami": _COMMON | dict.fromkeys("ej", "N"),
    "aami-escape-s": _COMMON | dict.fromkeys("ej", "S"),
}
"""WFDB annotation symbol to class. "aami" counts atrial and nodal escape beats (e, j) as N, as EC57 does and de
Chazal et al. 2004 do; "aami-escape-s" counts them as S, as some later papers do."""

DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""MIT-BIH recordings to train on and to test on in the inter-patient protocol of de Chazal et al. 2004; the paced
ones, 102, 104, 107 and 217, are in neither. Recordings 201 (DS1) and 202 (DS2) are of one person."""


def beat_classes(mapping: str) -> Mapping[str, str]:
    """The mapping of that name from annotation symbols to AAMI classes; other symbols are no beats.

    Raises:
        UserError: there is none of that name.
    """
    if mapping not in AAMI_MAPPINGS:
        raise UserError(f"unknown beat mapping '{mapping}'; {nearest(mapping, AAMI_MAPPINGS)}")
    return AAMI_MAPPINGS[mapping]
