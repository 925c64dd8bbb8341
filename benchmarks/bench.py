"""Measures metadx against its peers: `python benchmarks/bench.py [speed] [growth] [memory] [evaluation] [latency]
[sampling] [floor]`.

Each peer is installed in an environment of its own under ~/.cache/metadx/bench, or METADX_BENCH. One that cannot be
installed is said so in its rows, and the rest goes on. Close other programs first: rows tell the spread.
"""

from __future__ import annotations

import argparse

import torch

import evaluation
import floor
import growth
import latency
import memory
import sampling
import speed
from workloads import WORKLOADS

PARTS = ("speed", "growth", "memory", "evaluation", "latency", "sampling", "floor")


def main() -> None:
    """Runs the parts that were asked for; all by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each side")
    parser.add_argument(
        "--workloads", default=",".join(WORKLOADS), help="those of `speed`, with commas between"
    )
    parser.add_argument("--way", help="how metadx runs tasks in `speed`; its own choice by default")
    parser.add_argument("--device", default="cpu", help="that `speed` runs on: cpu, or cuda for a GPU")
    asked = parser.parse_args()
    unknown = {*asked.parts} - {*PARTS} or {*asked.workloads.split(",")} - {*WORKLOADS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join((*PARTS, *WORKLOADS))}")
    torch.empty(0, device=asked.device)  # of which rows tell from now on
    for part in asked.parts or PARTS:
        if part == "speed":
            speed.measure(asked.workloads.split(","), asked.rounds, speed.How(asked.device, asked.way))
        elif part == "memory":
            memory.measure()
        elif part in ("growth", "evaluation"):
            {"growth": growth, "evaluation": evaluation}[part].measure(max(3, asked.rounds // 2))
        else:
            {"latency": latency, "sampling": sampling, "floor": floor}[part].measure(asked.rounds)


if __name__ == "__main__":
    main()
