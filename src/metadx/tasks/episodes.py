"""Episodes on disk: JSON that replays exactly, and refuses to replay on other cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from metadx.errors import UserError
from metadx.tasks.conditions import ConditionEpisode, ConditionSource


def save_episodes(path: Path, source: ConditionSource, episodes: Sequence[ConditionEpisode]) -> None:
    """Writes the episodes and the fingerprint of the cases they were drawn from."""
    content = {
        "source": source.name,
        "fingerprint": source.cases.fingerprint(),
        "episodes": [episode.model_dump() for episode in episodes],
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def load_episodes(path: Path, source: ConditionSource) -> list[ConditionEpisode]:
    """Reads episodes that `save_episodes` wrote.

    Raises:
        UserError: the file is not such a file, or its episodes are of other cases.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fingerprint = content["fingerprint"]
        episodes = [ConditionEpisode.model_validate(episode) for episode in content["episodes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not an episodes file ({error}). Write one with `metadx.tasks.save_episodes`."
        ) from error
    if fingerprint != source.cases.fingerprint():
        raise UserError(
            f"{path}: these episodes were drawn from other cases ({fingerprint}) than those at hand "
            f"({source.cases.fingerprint()}). Use the data and split they were saved with."
        )
    return episodes
