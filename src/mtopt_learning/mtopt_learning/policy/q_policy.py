"""Acts by the learned Q-function: CEM over actions, several robots in one evaluation."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mtopt_learning.checkpoint.folder import CONFIG
from mtopt_learning.checkpoint.q_function import QFunction, load_q_function
from mtopt_learning.qlearn.actions import CLOSE, CONTINUOUS, OPEN, TERMINATE, decode
from mtopt_learning.qlearn.cem import CemConfig, maximise
from mtopt_spec import seeds
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest

ERROR_UNKNOWN_TASK, ERROR_BAD_IMAGE, ERROR_NO_CHECKPOINT = 1, 3, 4
_ROWS = 8
_GOALS_KEPT = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActConfig:
    """How the Q-function is turned into actions.

    Attributes:
        cem: The search.
        epsilon: Chance a step of a random action instead: for collecting, not for measuring.
        noise: Standard deviation added to moves and turns, in units of the largest.
    """

    cem: CemConfig = CemConfig()
    epsilon: float = 0.0
    noise: float = 0.0


class QFunctionPolicy:
    """Serves a Q-function; the same request gets the same action, whoever asks beside it.

    Args:
        q_function: What acts; None answers with an error code until one is loaded.
        tasks: The cell's tasks, which a checkpoint must have; None takes any.
        config: How actions are chosen.
    """

    def __init__(
        self,
        q_function: QFunction | None = None,
        tasks: tuple[str, ...] | None = None,
        config: ActConfig = ActConfig(),
    ):
        self._q_function, self._tasks, self._config = q_function, tasks, config
        self._path: Path | None = None
        self._stamp: tuple | None = None
        self._prepared = functools.lru_cache(_GOALS_KEPT)(self._prepare)

    @property
    def fingerprint(self) -> str:
        """Of the checkpoint that serves; empty without one."""
        return self._q_function.fingerprint if self._q_function else ""

    def load(self, path: Path) -> str:
        """Serves another checkpoint from now on; after an error the one before goes on.

        Returns:
            Its fingerprint.

        Raises:
            InputError: It is missing, damaged, or for another cell.
        """
        path = Path(path)
        stamp = _stamp(path)
        self._q_function = load_q_function(path, tasks=self._tasks)
        self._path, self._stamp = path, stamp
        self._prepared.cache_clear()
        return self.fingerprint

    def watch(self, path: Path) -> None:
        """Names the folder that `reload_if_changed` looks at; it may not be there yet."""
        if path != self._path:
            self._path, self._stamp = Path(path), None

    def reload_if_changed(self) -> bool:
        """Loads the watched checkpoint again when its folder has changed; True when it did.

        Raises:
            InputError: The new one is refused; the one before goes on, and the next call tries
                again only after another change.
        """
        if self._path is None:
            return False
        stamp = _stamp(self._path)
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        self.load(self._path)
        return True

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request, from one evaluation of the network for all that can be served."""
        if self._q_function is None:
            return [
                _refuse(ERROR_NO_CHECKPOINT, "policy qfunction: no checkpoint is loaded")
            ] * len(requests)
        answers: list[PolicyAnswer | None] = [self._check(request) for request in requests]
        pictures: list[dict[str, np.ndarray]] = []
        good = []
        for i, request in enumerate(requests):
            if answers[i] is None:
                try:
                    pictures.append(self._decode(request))
                    good.append(i)
                except InputError as error:
                    answers[i] = _refuse(ERROR_BAD_IMAGE, str(error))
        if good:
            for i, answer in zip(
                good, self._evaluate([requests[i] for i in good], pictures), strict=True
            ):
                answers[i] = answer
        return answers  # type: ignore[return-value]

    def _check(self, request: PolicyRequest) -> PolicyAnswer | None:
        where = f"ChooseAction of {request.robot}"
        if request.goal is not None:
            camera = self._q_function.network.goal_camera
            if request.goal.camera == camera:
                return None
            return _refuse(
                ERROR_UNKNOWN_TASK,
                f"goal's camera in {where}: got {request.goal.camera!r}, expected {camera!r}"
                if camera else f"goal in {where}: the checkpoint was not trained to reach goals",
            )  # fmt: skip
        if request.task not in self._q_function.tasks:
            return _refuse(
                ERROR_UNKNOWN_TASK,
                f"task in {where}: got {request.task!r}, "
                f"expected one of {list(self._q_function.tasks)}",
            )
        return None

    def _decode(self, request: PolicyRequest) -> dict[str, np.ndarray]:
        where = f"ChooseAction of {request.robot}"
        if request.goal is not None:
            self._prepared(request.goal.image_jpeg)
        out = {}
        for camera, size in self._q_function.cameras.items():
            data = request.observation.images_jpeg.get(camera)
            if data is None:
                raise InputError(
                    f"picture of {camera}", where=where,
                    got=sorted(request.observation.images_jpeg), expected=camera,
                )  # fmt: skip
            out[camera] = _picture(data, size, f"picture of {camera}", where)
        return out

    @torch.inference_mode()
    def _prepare(self, image_jpeg: bytes) -> torch.Tensor:
        """(1, ...) what the network makes of a goal picture, the same for all states."""
        network = self._q_function.network
        size = self._q_function.cameras[network.goal_camera]
        image = _picture(image_jpeg, size, "goal picture", "ChooseAction")
        return network.prepare_goal(torch.from_numpy(image)[None].permute(0, 3, 1, 2))

    @torch.inference_mode()
    def _evaluate(self, requests, pictures) -> list[PolicyAnswer]:
        q_function, cem = self._q_function, self._config.cem
        n = len(requests)
        # Always a multiple of the same number of rows: how a matrix product rounds may depend on
        # its shape, and an action should not depend on how many robots ask.
        rows = [min(i, n - 1) for i in range(-(-n // _ROWS) * _ROWS)]
        images = {
            camera: torch.from_numpy(np.stack([pictures[i][camera] for i in rows])).permute(
                0, 3, 1, 2
            )
            for camera in q_function.cameras
        }
        state = torch.from_numpy(np.stack([requests[i].observation.state() for i in rows]))
        task = torch.tensor([self._condition(requests[i]) for i in rows])
        normal, uniform = (torch.from_numpy(x[:, rows]) for x in self._noise(requests))
        embedding = q_function.network.embed(images, state, self._goals(requests, rows))

        def score(action: torch.Tensor) -> torch.Tensor:
            return q_function.network.q(embedding, task, action)

        code, q = maximise(score, len(rows), cem, normal, uniform)
        if self._config.epsilon or self._config.noise:
            explored = code.clone()
            for i, request in enumerate(requests):
                explored[i] = self._explore(code[i], request)
            changed = (explored != code).any(-1)
            q = torch.where(changed, score(explored[:, None])[:, 0], q)
            code = explored
        vectors = decode(code).numpy()
        return [
            PolicyAnswer(Action.from_vector(vectors[i]), float(q[i]), q_function.fingerprint)
            for i in range(n)
        ]

    def _condition(self, request: PolicyRequest) -> int:
        if request.goal is not None:
            return self._q_function.network.goal_task
        return self._q_function.tasks.index(request.task)

    def _goals(self, requests, rows: list[int]) -> torch.Tensor | None:
        """(rows, ...) prepared goals, blank for a task; None where nobody has a goal."""
        found = [r.goal and self._prepared(r.goal.image_jpeg) for r in requests]
        some = next((goal for goal in found if goal is not None), None)
        if some is None:
            return None
        blank = torch.zeros_like(some)
        return torch.cat([blank if found[i] is None else found[i] for i in rows])

    def _noise(self, requests) -> tuple[np.ndarray, np.ndarray]:
        """(iterations, n, samples, 4) normal and (iterations, n, samples) uniform, by request."""
        cem = self._config.cem
        shape = (cem.iterations, cem.samples)
        normal, uniform = [], []
        for request in requests:
            random = seeds.generator(request.seed, "cem", request.step_index)
            normal.append(random.standard_normal((*shape, CONTINUOUS), np.float32))
            uniform.append(random.random(shape, np.float32))
        return np.stack(normal, 1), np.stack(uniform, 1)

    def _explore(self, code: torch.Tensor, request: PolicyRequest) -> torch.Tensor:
        random = seeds.generator(request.seed, "explore", request.step_index)
        change = random.random() < self._config.epsilon
        move = torch.from_numpy(random.standard_normal(CONTINUOUS).astype(np.float32))
        uniform = torch.from_numpy(random.uniform(-1, 1, CONTINUOUS).astype(np.float32))
        command = int(random.integers(6))
        if change:
            out = torch.zeros_like(code)
            out[:CONTINUOUS] = uniform
            out[CLOSE], out[OPEN] = float(command == 4), float(command == 5)
            return out
        if code[TERMINATE] > 0.5 or not self._config.noise:
            return code
        out = code.clone()
        out[:CONTINUOUS] = (code[:CONTINUOUS] + self._config.noise * move).clamp(-1, 1)
        return out


def _picture(data: bytes, size: tuple[int, int], what: str, where: str) -> np.ndarray:
    """(h, w, 3) uint8 of a JPEG; InputError if it is of another size."""
    image = decode_jpeg(data)
    if image.shape != (*size, 3):
        raise InputError(
            what, where=where, got=f"{image.shape[0]}x{image.shape[1]}",
            expected=f"{size[0]}x{size[1]} (height x width), as the checkpoint's",
        )  # fmt: skip
    return image


def _stamp(path: Path) -> tuple | None:
    try:
        stat = (Path(path) / CONFIG).stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)


def _refuse(code: int, message: str) -> PolicyAnswer:
    return PolicyAnswer(Action(), error=code, error_msg=message)
