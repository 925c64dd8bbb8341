"""How many more labelled cases would help, told from replays of the same situation on conditions of the past."""

from metadx.studies.planning.coverage import Check, check_run
from metadx.studies.planning.plan import plan_run

__all__ = ["Check", "check_run", "plan_run"]
