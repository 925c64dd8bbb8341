"""A process that keeps, draws from and learns of more pictures than it may have memory: `python ... FOLDER`.

Prints how large the set is, how much memory the process may take besides what it began with, and the steps it made.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch

from metadx.algorithms import ProtoNet
from metadx.cases import Cases, Provenance, Room, through_store
from metadx.learners import ConvNet
from metadx.tasks import ConditionSource, MetaDataset, Shape, augmentations
from metadx.training import TrainingSettings, feed_for, train

PICTURES, SIDE, CONDITIONS = 26_000, 64, 26
SPARE = 160 << 20


def pictures(room: Room) -> Cases:
    """Noise, as bright as the condition's number says."""
    x = room((PICTURES, 3, SIDE, SIDE))
    y = np.arange(PICTURES) % CONDITIONS
    rng = np.random.default_rng(0)
    for start in range(0, PICTURES, 1000):
        noise = rng.integers(0, 100, (1000, 3, SIDE, SIDE), dtype=np.uint8)
        x[start : start + 1000] = noise + (5 * y[start : start + 1000, None, None, None]).astype(np.uint8)
    return Cases(
        x=x,
        y=y,
        patient=np.array([f"p{i}" for i in range(PICTURES)]),
        classes=tuple(f"c{i}" for i in range(CONDITIONS)),
        modality="image",
        provenance=Provenance("made here"),
    )


def data_bytes() -> int:
    """Memory of this process that is no file's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmData")))


def main(folder: Path) -> None:
    """Sets the limit, and works within it."""
    torch.set_num_threads(1)
    torch.nn.functional.conv2d(torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3))
    limit = data_bytes() + SPARE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    place = folder / "source"
    place.touch()
    cases = through_store(folder / "store", place, "", pictures)
    try:
        np.asarray(cases.x)
        fits = True
    except MemoryError:
        fits = False
    source = ConditionSource(cases.of_conditions(cases.classes[:20]))
    change = augmentations(["flip", "crop"], [], source.input_shape)
    dataset = MetaDataset("train", [source], Shape(ways=3, shots=1, query=2), augment=change)
    algorithm = ProtoNet(ConvNet((3, SIDE, SIDE), width=8, downsample="stride"))
    losses: list[float] = []
    settings = TrainingSettings(iterations=4, meta_batch=2, device="cpu", ahead=1)
    train(algorithm, feed_for(algorithm, dataset), [], settings, [lambda r: losses.append(r["loss"])])
    print(json.dumps({"set": PICTURES * 3 * SIDE**2, "spare": SPARE, "fits": fits, "losses": losses}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
