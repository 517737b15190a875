"""The packed training cache: memory-mapped pictures, Arrow tables of steps and episodes."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute

from mtopt_learning.dataset.columns import VectorColumn
from mtopt_learning.dataset.files import MANIFEST, image_file, map_images, read_manifest
from mtopt_learning.dataset.rows import LABEL_SOURCES
from mtopt_learning.dataset.tables import read_tables
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside

_OLD_LABELS = ("npy", "json")
"""Endings of the two files that labels once were: the array, and what was told of it."""


class Dataset:
    """A cache, read-only but for labels. Row i of every `(n_obs, ...)` array is one observation.

    The observations of an episode e are the rows `episode_start[e]` to `episode_start[e] +
    episode_steps[e]`, the last one included: it has no action (NaN), and is the state that labels
    judge. `next_row` never leaves an episode.

    Attributes:
        tasks: Names; their order is that of the labels' columns and of `episode_task`.
        cameras: Camera name to (height_px, width_px).
        images: Camera name to (n_obs, h, w, 3) uint8 RGB, memory-mapped.
        state: (n_obs, 7) float32, as `Observation.state()`; memory-mapped, as are the next two.
        action: (n_obs, 8) float32: the displacement that was sent, the flags as commanded.
        commanded: (n_obs, 8) float32.
        episode_start: (n_ep,) int64, row of the first observation.
        episode_steps: (n_ep,) int32.
        episode_task: (n_ep,) int16, index into `tasks`; -1 where its own task is none of them, as
            in an episode that was to reach a goal.
        episode_reason: (n_ep,) int8, `EndReason`.
        episode_success: (n_ep,) float32, probability of success of its own task, as it was judged
            when it ended.
        fingerprint: Digest of the bags, tasks and picture sizes.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        self.tasks: tuple[str, ...] = tuple(manifest["tasks"])
        self.cameras: dict[str, tuple[int, int]] = {
            name: tuple(size) for name, size in manifest["cameras"].items()
        }
        self.fingerprint: str = manifest["fingerprint"]
        self.bags: list[dict] = manifest["bags"]
        n_obs = manifest["observations"]
        self.images = {
            camera: map_images(self.folder / image_file(camera), (n_obs, *size, 3))
            for camera, size in self.cameras.items()
        }
        segments = manifest["segments"]
        self._steps = read_tables([self.folder / s["steps"] for s in segments])
        self.episodes = read_tables([self.folder / s["episodes"] for s in segments])
        if len(self._steps) != n_obs or len(self.episodes) != manifest["episodes"]:
            raise InputError(
                "dataset",
                where=self.folder,
                got=f"{len(self._steps)} observations, {len(self.episodes)} episodes",
                expected=f"{n_obs} and {manifest['episodes']} as in {MANIFEST}",
                todo="build it anew: it can always be made from the bags",
            )
        self.state = VectorColumn(self._steps["state"])
        self.action = VectorColumn(self._steps["action"])
        self.commanded = VectorColumn(self._steps["commanded"])
        self.episode_start = self.episodes["start"].to_numpy()
        self.episode_steps = self.episodes["steps"].to_numpy()
        self.episode_reason = self.episodes["reason"].to_numpy()
        self.episode_success = self.episodes["success_probability"].to_numpy()
        self.seed = self.episodes["seed"].to_numpy()
        self.episode_task = self._task_indices()

    @staticmethod
    def open(folder: Path) -> Dataset:
        """Opens the cache in a folder.

        Raises:
            InputError: There is none, it is of another version, or a file is missing or short.
        """
        return Dataset(folder)

    def __reduce__(self):
        """Another process opens the same folder; nothing in it is copied."""
        return Dataset, (self.folder,)

    @property
    def n_obs(self) -> int:
        """Observations."""
        return len(self.state)

    @property
    def n_episodes(self) -> int:
        """Episodes."""
        return len(self.episode_steps)

    @functools.cached_property
    def obs_episode(self) -> np.ndarray:
        """(n_obs,) int32: number of each observation's episode."""
        return self._steps["episode"].to_numpy()

    @functools.cached_property
    def obs_step(self) -> np.ndarray:
        """(n_obs,) int32: which of its episode each observation is."""
        return self._steps["step"].to_numpy()

    @functools.cached_property
    def is_last(self) -> np.ndarray:
        """(n_obs,) bool: the last observation of its episode, where no action was taken."""
        last = np.zeros(self.n_obs, bool)
        last[self.episode_start + self.episode_steps] = True
        return last

    @functools.cached_property
    def action_rows(self) -> np.ndarray:
        """(n,) int64: rows of all observations at which an action was taken."""
        return np.flatnonzero(~self.is_last)

    def next_row(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the observations after the actions at `rows`, within the same episode.

        Raises:
            ValueError: One is the last observation of its episode.
        """
        rows = np.asarray(rows)
        if self.is_last[rows].any():
            raise ValueError("the last observation of an episode has no next one")
        return rows + 1

    def last_row(self, episodes: np.ndarray) -> np.ndarray:
        """Rows of the last observations of episodes: the states that labels judge."""
        return self.episode_start[episodes] + self.episode_steps[episodes]

    @functools.cached_property
    def episode_ids(self) -> np.ndarray:
        """(n_ep,) str objects."""
        return self._strings("episode_id")

    @functools.cached_property
    def episode_policy(self) -> np.ndarray:
        """(n_ep,) str objects: names of the policies that acted."""
        return self._strings("policy")

    @functools.cached_property
    def robot(self) -> np.ndarray:
        """(n_ep,) str objects: namespaces of the robots."""
        return self._strings("robot")

    @functools.cached_property
    def bag(self) -> np.ndarray:
        """(n_ep,) str objects: `<robot>/<bag>` that the episode was read from."""
        return self._strings("bag")

    def labels(self, source: str = "simulator") -> np.ndarray:
        """Probability of success of every episode's last state, for every task.

        Args:
            source: `person`, `simulator`, `detector`, or `best`: the first of these that judged.

        Returns:
            (n_ep, n_tasks) float32 in [0, 1]; NaN where not judged.
        """
        if source == "best":
            judged = [self.labels(one) for one in LABEL_SOURCES if self._has_judged(one)]
            labels = judged[0] if judged else self._bag_labels(LABEL_SOURCES[0])
            for lower in judged[1:]:
                np.copyto(labels, lower, where=np.isnan(labels))
            return labels
        if source not in LABEL_SOURCES:
            raise InputError(
                "label source", where="labels", got=source, expected=f"{LABEL_SOURCES} or best"
            )
        labels, stored = self._bag_labels(source), self._stored_labels(source)
        if stored is not None:
            written, about = stored
            count = min(len(written), self.n_episodes)
            for column, task in enumerate(about["tasks"]):
                if task in self.tasks:
                    target = labels[:count, self.tasks.index(task)]
                    values = written[:count, column]
                    np.copyto(target, values, where=~np.isnan(values))
        return labels

    def own_labels(self, source: str = "best") -> np.ndarray:
        """(n_ep,) float32: of `labels` those of each episode's own task; NaN where it has none."""
        own = self.labels(source)[np.arange(self.n_episodes), self.episode_task]
        return np.where(self.episode_task >= 0, own, np.float32(np.nan))

    def write_labels(self, source: str, probability: np.ndarray, about: dict | None = None) -> None:
        """Stores judgements; they go before those that the bags hold. NaN: not judged.

        The older ones of this source are there until these are, whatever happens.

        Args:
            source: `person`, `simulator` or `detector`.
            probability: (n_ep, n_tasks) in [0, 1] or NaN.
            about: Where they are from, such as the detector's fingerprint.
        """
        probability = np.asarray(probability, np.float32)
        expected = (self.n_episodes, len(self.tasks))
        judged = probability[~np.isnan(probability)]
        if probability.shape != expected or np.any((judged < 0) | (judged > 1)):
            raise InputError(
                f"labels of {source}",
                where="write_labels",
                got=f"shape {probability.shape}, values {judged.min(initial=1):.3g} to "
                f"{judged.max(initial=0):.3g}",
                expected=f"shape {expected}, values in [0, 1] or NaN",
            )
        if source not in LABEL_SOURCES:
            raise InputError(
                "label source", where="write_labels", got=source, expected=f"{LABEL_SOURCES}"
            )
        information = {"tasks": self.tasks, "dataset": self.fingerprint, **(about or {})}
        stored = io.BytesIO()
        np.savez(stored, probability=probability, about=np.array(json.dumps(information)))
        write_aside(self._label_path(source), stored.getvalue())
        for kind in _OLD_LABELS:
            self._label_path(source, kind).unlink(missing_ok=True)

    def labels_about(self, source: str) -> dict:
        """What `write_labels` was told about the stored labels; empty without any."""
        stored = self._stored_labels(source)
        return {} if stored is None else stored[1]

    def _stored_labels(self, source: str) -> tuple[np.ndarray, dict] | None:
        """What `write_labels` stored, and what it was told; None where it never was."""
        path = self._label_path(source)
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return stored["probability"], json.loads(str(stored["about"]))
        array, about = (self._label_path(source, kind) for kind in _OLD_LABELS)
        if array.is_file():
            return np.load(array, allow_pickle=False), json.loads(about.read_text())
        return None

    def _has_judged(self, source: str) -> bool:
        columns = (f"label/{source}/{task}" for task in self.tasks)
        in_bags = any(column in self.episodes.column_names for column in columns)
        files = (self._label_path(source, kind) for kind in ("npz", *_OLD_LABELS[:1]))
        return in_bags or any(path.is_file() for path in files)

    def _label_path(self, source: str, kind: str = "npz") -> Path:
        return self.folder / f"labels_{source}.{kind}"

    def _bag_labels(self, source: str) -> np.ndarray:
        """(n_ep, n_tasks) float32: what the bags themselves hold."""
        labels = np.full((self.n_episodes, len(self.tasks)), np.nan, np.float32)
        for task, column in enumerate(self.tasks):
            name = f"label/{source}/{column}"
            if name in self.episodes.column_names:
                labels[:, task] = self.episodes[name].to_numpy()
        return labels

    def _strings(self, column: str) -> np.ndarray:
        return self.episodes[column].to_numpy(zero_copy_only=False)

    def _task_indices(self) -> np.ndarray:
        names = self.episodes["task"].combine_chunks()
        indices = pa.compute.index_in(names, value_set=pa.array(self.tasks, pa.string()))
        return indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int16)
