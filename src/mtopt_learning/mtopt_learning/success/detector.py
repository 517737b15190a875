"""Judges last states: a `SuccessJudge` on a trained detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mtopt_learning.checkpoint.configuration import from_plain, to_plain
from mtopt_learning.checkpoint.folder import load_folder, load_weights, save_folder
from mtopt_learning.success.calibration import Calibration
from mtopt_learning.success.inputs import look
from mtopt_learning.success.labels import UsedLabel, read_used, to_csv
from mtopt_learning.success.network import DetectorConfig, DetectorNetwork
from mtopt_learning.success.training import SuccessTrainConfig, TrainedDetector
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.interfaces import TaskLabel
from mtopt_spec.observation import Observation

KIND = "success_detector"
SOURCE = "detector"
LABELS = "labels.csv"
"""Of a detector's folder: the labels that it was made with."""


class SuccessDetector:
    """One network for all tasks, calibrated."""

    def __init__(
        self,
        network: DetectorNetwork,
        calibrations: Sequence[Calibration],
        tasks: Sequence[str],
        cameras: dict[str, tuple[int, int]],
        fingerprint: str = "",
        metrics: dict | None = None,
        used: Sequence[UsedLabel] = (),
        training: SuccessTrainConfig | None = None,
    ):
        self._network, self._calibrations = network.eval(), tuple(calibrations)
        self.used, self.training = tuple(used), training or SuccessTrainConfig()
        self.tasks, self.cameras = tuple(tasks), dict(cameras)
        self.fingerprint, self.metrics = fingerprint, metrics or {}

    @staticmethod
    def load(
        path: Path,
        tasks: tuple[str, ...] | None = None,
        cameras: dict[str, tuple[int, int]] | None = None,
    ) -> SuccessDetector:
        """Reads a detector; refuses one for other tasks or pictures (`InputError`)."""
        folder = load_folder(path, KIND, tasks=tasks, cameras=cameras)
        settings = folder.config.get("settings", {})
        network = DetectorNetwork(from_plain(DetectorConfig, settings.get("network"), path))
        load_weights(network, folder)
        network.requires_grad_(False)
        calibrations = [from_plain(Calibration, c, path) for c in settings.get("calibrations", [])]
        if len(calibrations) != len(folder.tasks):
            raise InputError(
                "detector's calibrations", where=path, got=len(calibrations),
                expected=f"one a task, {len(folder.tasks)}",
            )  # fmt: skip
        return SuccessDetector(
            network, calibrations, folder.tasks, folder.cameras, folder.fingerprint,
            folder.config["metrics"], read_used(Path(path) / LABELS),
            from_plain(SuccessTrainConfig, settings.get("training", {}), path),
        )  # fmt: skip

    def judge(self, robot: str, observation: Observation) -> list[TaskLabel]:
        """A label for every task.

        Raises:
            InputError: A picture is missing, undecodable or of another size.
        """
        return self.judge_all([(robot, observation)])[0]

    @torch.inference_mode()
    def judge_all(self, asked: Sequence[tuple[str, Observation]]) -> list[list[TaskLabel]]:
        """Labels for several robots' last states, from one evaluation."""
        if not asked:
            return []
        if self._network.config.first_image:
            raise InputError(
                "detector", where="judging while running", expected="one of last pictures",
                got="one that wants first pictures too",
                todo="let it judge recorded episodes with `mtopt label`",
            )  # fmt: skip
        images = {
            camera: torch.from_numpy(
                np.stack([_picture(robot, seen, camera, size) for robot, seen in asked])
            ).permute(0, 3, 1, 2)
            for camera, size in self.cameras.items()
        }
        state = torch.from_numpy(np.stack([seen.state() for _, seen in asked]))
        scores = self._scores(self._network(images, state).numpy())
        return [
            [
                TaskLabel(task, bool(score >= 0.5), float(score), SOURCE)
                for task, score in zip(self.tasks, row, strict=True)
            ]
            for row in scores
        ]

    def label(self, dataset, episodes: np.ndarray) -> np.ndarray:
        """(n, tasks) float32 scores of episodes of a data set; success from 0.5 on."""
        return self._scores(self.logits(dataset, episodes))

    def logits(self, dataset, episodes: np.ndarray) -> np.ndarray:
        """(n, tasks) uncalibrated logits."""
        return look(self._network, dataset, episodes)[0]

    def look(self, dataset, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, tasks) scores, and (n, hidden) what the network makes of the states."""
        logits, embedding = look(self._network, dataset, episodes)
        return self._scores(logits), embedding

    @property
    def network(self) -> DetectorNetwork:
        """The weights."""
        return self._network

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """One a task."""
        return self._calibrations

    def _scores(self, logits: np.ndarray) -> np.ndarray:
        columns = [c.score(logits[:, t]) for t, c in enumerate(self._calibrations)]
        return np.stack(columns, 1).astype(np.float32)


def save_detector(
    path: Path,
    trained: TrainedDetector,
    tasks: tuple[str, ...],
    cameras: dict[str, tuple[int, int]],
    config: SuccessTrainConfig,
    data_fingerprint: str = "",
    used: Sequence[UsedLabel] = (),
) -> str:
    """Writes a detector's folder, with the labels that it was made with; gives its fingerprint."""
    return save_folder(
        path,
        KIND,
        trained.network.state_dict(),
        tasks=tasks,
        cameras=cameras,
        settings={
            "network": to_plain(trained.network.config),
            "training": to_plain(config),
            "calibrations": [to_plain(c) for c in trained.calibrations],
        },
        data_fingerprint=data_fingerprint,
        metrics=trained.metrics,
        extra={LABELS: to_csv(used)},
    )


def _picture(robot: str, observation: Observation, camera: str, size) -> np.ndarray:
    data = observation.images_jpeg.get(camera)
    if data is None:
        raise InputError(
            f"picture of {camera}", where=f"last state of {robot}",
            got=sorted(observation.images_jpeg), expected=camera,
        )  # fmt: skip
    image = decode_jpeg(data)
    if image.shape[:2] != tuple(size):
        raise InputError(
            f"picture of {camera}", where=f"last state of {robot}",
            got=f"{image.shape[0]}x{image.shape[1]}",
            expected=f"{size[0]}x{size[1]} (height x width), as the detector's",
        )  # fmt: skip
    return image
