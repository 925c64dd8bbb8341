"""What a large support set and many inner steps take, by the settings that bound memory."""

from __future__ import annotations

from comparison import METADX
from growth import most
from workloads import WORKLOADS, Size

SETTINGS = {
    "kept": {},
    "in-parts": {"inner_microbatch": 25},
    "recomputed": {"recompute": True},
    "recomputed-in-parts": {"recompute": True, "inner_microbatch": 25},
    "first-order": {"first_order": True},
    "first-order-in-parts": {"first_order": True, "inner_microbatch": 25},
    "bfloat16": {"dtype": "bfloat16"},
}
SIZE = Size(tasks=1, steps=8, support=50)


def measure() -> None:
    """A row for each way of keeping less."""
    words = WORKLOADS["d"].words.partition(", 50 beats")[0]
    words += ", 250 beats in the support set, 50 queries, 1 patient, 8 steps"
    for name, settings in SETTINGS.items():
        side = METADX._replace(settings=settings, threads=1)
        most(f"bench-memory-{name}", f"{words}: {name.replace('-', ' ')}", side, "d", SIZE)
