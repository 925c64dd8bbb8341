"""What adapting was worth, on support cases that were held back to try it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Tried(BaseModel):
    """What adapting was worth on the latest support cases, which were held back to try it.

    Args:
        cases: how many were held back; 0 where there were too few to try.
        adapted, base: adapted to the earlier ones and not adapted, the root mean squared error on them, in the unit
            of the target; for conditions the mean cross-entropy.
        half: half the width of the intervals, in that unit; None where there are none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: int = 0
    adapted: float | None = None
    base: float | None = None
    half: float | None = None

    @property
    def kept_base(self) -> bool:
        """Whether the model was left as it was, because adapting it did harm."""
        return self.adapted is not None and self.base is not None and self.adapted > self.base

    def sentence(self, unit: str) -> str:
        """What came of it, for cards and findings; empty where adapting was tried and did no harm."""
        if self.adapted is None or self.base is None:
            return "Too few support cases to try whether adapting helps; it was adapted to all of them."
        if not self.kept_base:
            return ""
        measured = f" {unit}" if unit else ""
        return (
            f"Not adapted to this patient: on their latest {self.cases} support cases the model without adaptation "
            f"was off by {self.base:.3g}{measured}, adapted by {self.adapted:.3g}{measured} (root mean square)."
        )

    def of_conditions(self) -> str:
        """As `sentence`, for conditions."""
        if not self.kept_base:
            return ""
        return (
            f"Not adapted: on {self.cases} of the labelled cases, held back, the model without adaptation did "
            f"better (cross-entropy {self.base:.3g}, adapted {self.adapted:.3g})."
        )
