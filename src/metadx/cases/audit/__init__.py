"""The leakage audit: what in the data would make measured numbers better than the truth."""

from metadx.cases.audit.chance import PAIRS_PER_CASE
from metadx.cases.audit.leak import Leak
from metadx.cases.audit.report import Audit, audit_cases

__all__ = ["PAIRS_PER_CASE", "Audit", "Leak", "audit_cases"]
