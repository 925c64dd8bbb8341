"""Episodes evaluated per second: ProtoNet on Herlev, metadx against easyfsl."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from comparison import Standing
from contender import Failed, Side, contender
from environments import python_of
from herlev import write_evaluation
from reporting import figure, missing, ratio, timed

EPISODES = 600
SIDES = (Side("metadx", "metadx_evaluation", None), Side("easyfsl", "easyfsl_evaluation", "easyfsl"))
WORDS = f"Herlev, ProtoNet on conv4-64, 64 x 64, 5-way 5-shot, 15 queries per class, {EPISODES} episodes"
RATIO = "bench-evaluation-ratio"


def measure(rounds: int) -> None:
    """Rows of seconds and accuracy of both, and of their ratio and difference."""
    if not os.environ.get("METADX_DATA"):
        missing(RATIO, WORDS, "times as fast", "METADX_DATA does not say where Herlev is")
        return
    try:
        standings, accuracy = _run(rounds)
    except Failed as error:
        missing(RATIO, WORDS, "times as fast", str(error))
        return
    for side, standing in standings.items():
        timed(f"bench-evaluation-time-{side}", f"{WORDS}: {side}", standing.turns, standing.about)
    ours, theirs = standings.values()
    ratio(RATIO, f"{WORDS}: metadx against easyfsl", ours, theirs, target=10)
    figure(
        "bench-evaluation-accuracy",
        f"{WORDS}: accuracy of metadx ({100 * accuracy['metadx']:.4f} %) less that of easyfsl",
        "absolute difference",
        abs(accuracy["metadx"] - accuracy["easyfsl"]),
        n=EPISODES,
        better="lower",
        target=1e-6,
    )


def _run(rounds: int) -> tuple[dict[str, Standing], dict[str, float]]:
    """Seconds for all episodes in each turn, and mean accuracy over them.

    In a turn, metadx goes through all of them. easyfsl, which takes one after the other, goes through a share, so
    that it has been through all of them after the last turn; its seconds are as many times those of the share.
    """
    standings = {side.name: Standing() for side in SIDES}
    accuracy = dict.fromkeys(standings, 0.0)
    if EPISODES % rounds:
        raise Failed(f"{EPISODES} episodes cannot be shared out over {rounds} turns")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        file = Path(folder) / "episodes.npz"
        write_evaluation(file, EPISODES)
        at_work = {side.name: running.enter_context(contender(side, python_of(side.peer))) for side in SIDES}
        for side, one in at_work.items():
            one.ask("load", file=str(file), parts=1 if side == "metadx" else rounds)
            standings[side].about = one.version
        for turn in range(rounds):
            for side, one in at_work.items():
                found = one.ask("evaluate", part=turn)
                standings[side].turns.append(found["seconds"] * found["parts"])
                accuracy[side] += found["accuracy"] / rounds
    return standings, accuracy
