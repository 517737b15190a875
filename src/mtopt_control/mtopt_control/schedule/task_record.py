"""What the reports of episodes tell of a task."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mtopt_spec.interfaces import EpisodeReport

RECENT = 50


@dataclass
class TaskRecord:
    """What is known of a task (`mtopt_msgs/TaskStatistic`)."""

    attempts: int = 0
    successes: int = 0
    void_episodes: int = 0
    recent: deque = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def recent_success_rate(self) -> float:
        """Over the last `RECENT` attempts; NaN before the first."""
        return sum(self.recent) / len(self.recent) if self.recent else float("nan")

    def add(self, report: EpisodeReport) -> None:
        """Counts an episode."""
        if report.void:
            self.void_episodes += 1
            return
        self.attempts += 1
        self.successes += report.success
        self.recent.append(report.success)
