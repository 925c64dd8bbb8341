"""What the steps of a study share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from metadx.evaluation import Chosen
from metadx.studies.own.journal import Journal
from metadx.studies.own.patients import Watch
from metadx.studies.own.settings import StudySettings


@dataclass(frozen=True)
class StudyContext:
    """A study at work.

    Args:
        settings: what it is asked to do.
        journal: keeps the steps that are done.
        command: how it was started, for the report.
        watch: told how far it is.
        tell: told every choice as it is made: topic and sentence.
        began: moment (of `time.time`).
        choices: those made so far.
    """

    settings: StudySettings
    journal: Journal
    command: str
    watch: Watch
    tell: Callable[[str, str], None]
    began: float = field(default_factory=time.time)
    choices: list[Chosen] = field(default_factory=list)

    @property
    def deadline(self) -> float:
        """Moment (of `time.time`) at which it should end."""
        return self.began + 60 * self.settings.minutes

    @property
    def name(self) -> str:
        """What the data are called."""
        return self.settings.data.name

    def spent(self) -> float:
        """Seconds since it began."""
        return time.time() - self.began

    def left(self) -> float:
        """Seconds until it should end; negative afterwards."""
        return self.deadline - time.time()

    def say(self, topic: str, sentence: str) -> None:
        """Keeps a choice for the report, and tells it."""
        self.choices.append(Chosen(topic=topic, sentence=sentence))
        self.tell(topic, sentence)
