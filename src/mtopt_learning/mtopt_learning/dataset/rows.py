"""The rows of the cache: one an observation, one an episode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mtopt_learning.bag.reader import BagEpisode
from mtopt_learning.dataset.tables import from_matrix
from mtopt_spec.action import ACTION_SIZE
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL
from mtopt_spec.interfaces import TaskLabel

NO_TASK = ""
"""Of an episode that is of no task."""
LABEL_SOURCES = ("person", "import", "simulator", "detector")
"""Sources of labels, best first."""

EPISODE_COLUMNS = (
    ("episode_id", pa.string()),
    ("episode_number", pa.int64()),
    ("robot", pa.string()),
    ("seed", pa.uint64()),
    ("task", pa.string()),
    ("policy", pa.string()),
    ("checkpoint", pa.string()),
    ("control_period_s", pa.float64()),
    ("start", pa.int64()),
    ("steps", pa.int32()),
    ("reason", pa.int8()),
    ("success", pa.bool_()),
    ("success_probability", pa.float32()),
    ("success_source", pa.string()),
    ("dropped_frames", pa.int32()),
    ("late_frames", pa.int32()),
    ("bag", pa.string()),
)
"""Of the table of episodes, beside `label/<source>/<task>`: float32, NaN where not judged."""


class Rows:
    """Collects the rows of one bag.

    Args:
        tasks: Names of the known tasks.
        first_observation, first_episode: Numbers of the first rows.
        bag: `<robot>/<bag>` they are from.
        any_task: An episode's own task may be another, which counts as none.
    """

    def __init__(
        self,
        tasks: tuple[str, ...],
        *,
        first_observation: int,
        first_episode: int,
        bag: str,
        any_task: bool = False,
    ):
        self._tasks, self._any_task = tasks, any_task
        self._first_observation = first_observation
        self._first_episode = first_episode
        self._bag = bag
        self._steps: list[BagEpisode] = []
        self._columns: dict[str, list] = {name: [] for name, _ in EPISODE_COLUMNS}
        self._labels: dict[str, list[float]] = {}
        self.observations = 0
        self.labels_of_other_tasks = 0

    @property
    def episodes(self) -> int:
        """Episodes collected."""
        return len(self._steps)

    @property
    def ids(self) -> list[str]:
        """Of the episodes."""
        return self._columns["episode_id"]

    def add(self, episode: BagEpisode, *, where: Path) -> None:
        """Takes an episode; its pictures are not kept.

        Raises:
            InputError: Its task is unknown (none and to reach a goal are known), or a label is
                none.
        """
        begin, end = episode.begin, episode.end
        if not self._any_task and begin.task not in (*self._tasks, REACH_GOAL, NO_TASK):
            raise InputError(
                "task",
                where=f"{where}, episode {begin.episode_id}",
                got=repr(begin.task),
                expected=f"one of {self._tasks}",
                todo="add it to params/tasks.yaml, or name --any-task: it counts as none then",
            )
        values = {
            "start": self._first_observation + self.observations,
            "reason": int(end.reason),
            "bag": self._bag,
        }
        for name, column in self._columns.items():
            record = begin if hasattr(begin, name) else end
            column.append(values[name] if name in values else getattr(record, name))
        row = self.episodes
        for label in end.labels:
            source = label.source.partition(":")[0]
            _check_label(label, source, f"{where}, episode {begin.episode_id}")
            if label.task in self._tasks:
                column = self._labels.setdefault(f"label/{source}/{label.task}", [])
                column += [np.nan] * (row + 1 - len(column))
                column[row] = label.probability
            elif label.task != REACH_GOAL:
                self.labels_of_other_tasks += 1
        episode.images_jpeg.clear()
        self._steps.append(episode)
        self.observations += len(episode.state)

    def step_table(self) -> pa.Table:
        """One row an observation; the last of an episode has NaN for an action."""
        lengths = np.array([len(e.state) for e in self._steps])
        nothing = np.full((1, ACTION_SIZE), np.nan, np.float32)
        actions = [part for e in self._steps for part in (e.action, nothing)]
        commanded = [part for e in self._steps for part in (e.commanded, nothing)]
        numbers = np.arange(self._first_episode, self._first_episode + self.episodes)
        return pa.table(
            {
                "episode": np.repeat(numbers.astype(np.int32), lengths),
                "step": np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
                "stamp_ns": np.concatenate([e.stamp_ns for e in self._steps]),
                "state": from_matrix(np.concatenate([e.state for e in self._steps])),
                "action": from_matrix(np.concatenate(actions)),
                "commanded": from_matrix(np.concatenate(commanded)),
            }
        )

    def episode_table(self) -> pa.Table:
        """One row an episode; a column `label/<source>/<task>` for each that was judged."""
        columns = {name: pa.array(self._columns[name], kind) for name, kind in EPISODE_COLUMNS}
        for name, values in sorted(self._labels.items()):
            full = values + [np.nan] * (self.episodes - len(values))
            columns[name] = np.array(full, np.float32)
        return pa.table(columns)


def _check_label(label: TaskLabel, source: str, where: str) -> None:
    """Refuses a label that would teach something else than it says (`InputError`)."""
    p = label.probability
    if source not in LABEL_SOURCES:
        got, expected = f"source {label.source!r}", f"one of {LABEL_SOURCES}"
    elif not 0 <= p <= 1:
        got, expected = f"probability {p}", "0 to 1"
    elif (p < 0.5) if label.success else (p > 0.5):
        got = f"success {label.success}, probability of success {p}"
        expected = "a success at 0.5 or more, a failure at 0.5 or less: the probability is learned"
    else:
        return
    raise InputError(f"label of {label.task}", where=where, got=got, expected=expected)
