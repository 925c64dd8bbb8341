"""OpenML: data sets, tasks and suites by number, read from the cache of its own package; nothing is unpickled."""

from metadx.cases.openml.address import Address, is_openml, parse_address
from metadx.cases.openml.getting import get_openml
from metadx.cases.openml.medicine import is_medical
from metadx.cases.openml.reading import load_openml
from metadx.cases.openml.suites import Member, suite_members

__all__ = [
    "Address",
    "Member",
    "get_openml",
    "is_medical",
    "is_openml",
    "load_openml",
    "parse_address",
    "suite_members",
]
