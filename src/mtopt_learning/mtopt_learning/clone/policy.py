"""Acts by a cloned policy: a `Policy` as the Q-function's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mtopt_learning.clone.run import load_clone
from mtopt_learning.policy.goal_pictures import GoalPictures, decode_picture
from mtopt_learning.policy.q_policy import ERROR_NO_CHECKPOINT, error_code
from mtopt_learning.qlearn.actions import decode
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest

_ROWS = 8


class ClonePolicy:
    """Serves a clone's checkpoint, several robots in one evaluation.

    Args:
        tasks: The cell's tasks, which the checkpoint must have; None takes any.
    """

    def __init__(self, tasks: tuple[str, ...] | None = None):
        self._wanted, self._tasks = tasks, ()
        self._network = None
        self.fingerprint = ""

    def load(self, path: Path) -> str:
        """Serves this checkpoint from now on; its fingerprint (`InputError` if refused)."""
        self._network, self._tasks, self._cameras, self.fingerprint = load_clone(path, self._wanted)
        trunk = self._network.trunk
        self._goals = GoalPictures(trunk, trunk.config.goal_cameras, self._cameras)
        return self.fingerprint

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request; it does not depend on who asks beside it."""
        if self._network is None:
            refused = PolicyAnswer(
                Action(), error=ERROR_NO_CHECKPOINT, error_msg="clone: no checkpoint is loaded"
            )
            return [refused] * len(requests)
        answers: list[PolicyAnswer | None] = [None] * len(requests)
        pictures, good = [], []
        for i, request in enumerate(requests):
            try:
                pictures.append(self._decode(request))
                good.append(i)
            except InputError as error:
                answers[i] = PolicyAnswer(Action(), error=error_code(error), error_msg=str(error))
        if good:
            vectors = self._evaluate([requests[i] for i in good], pictures)
            for i, vector in zip(good, vectors, strict=True):
                answers[i] = PolicyAnswer(Action.from_vector(vector), checkpoint=self.fingerprint)
        return answers  # type: ignore[return-value]

    def _decode(self, request: PolicyRequest) -> dict[str, np.ndarray]:
        where = f"ChooseAction of {request.robot}"
        if request.goal is not None:
            self._goals.check(request)
        elif request.task not in self._tasks:
            raise InputError("task", where=where, got=repr(request.task), expected=self._tasks)
        return {
            camera: decode_picture(
                request.observation.images_jpeg.get(camera, b""),
                size,
                f"picture of {camera}",
                where,
            )
            for camera, size in self._cameras.items()
        }

    @torch.inference_mode()
    def _evaluate(self, requests, pictures) -> np.ndarray:
        """(n, 8) action vectors."""
        n = len(requests)
        rows = [min(i, n - 1) for i in range(-(-n // _ROWS) * _ROWS)]  # one shape, one rounding
        images = {
            camera: torch.from_numpy(np.stack([pictures[i][camera] for i in rows])).permute(
                0, 3, 1, 2
            )
            for camera in self._cameras
        }
        state = torch.from_numpy(np.stack([requests[i].observation.state() for i in rows]))
        config = self._network.config
        task = torch.tensor([
            config.tasks if requests[i].goal is not None else self._tasks.index(requests[i].task)
            for i in rows
        ])  # fmt: skip
        goal = self._goals.rows([requests[i] for i in rows])
        code = self._network.act(images, state, F.one_hot(task, config.conditions).float(), goal)
        return decode(code)[:n].numpy()
