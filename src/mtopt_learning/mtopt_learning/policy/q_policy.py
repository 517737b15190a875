"""Acts by the learned Q-function: CEM over actions, several robots in one evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mtopt_learning.checkpoint.folder import CONFIG
from mtopt_learning.checkpoint.q_function import QFunction, load_q_function
from mtopt_learning.policy.goal_pictures import GoalPictures, decode_picture
from mtopt_learning.qlearn.actions import (
    CLOSE,
    CODE_SIZE,
    CONTINUOUS,
    OPEN,
    TERMINATE,
    decode,
)
from mtopt_learning.qlearn.behaviour import ProposalConfig, best_proposal
from mtopt_learning.qlearn.cem import CemConfig, maximise
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_spec import seeds
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest

ERROR_UNKNOWN_TASK, ERROR_BAD_IMAGE, ERROR_NO_CHECKPOINT = 1, 3, 4
_ROWS = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActConfig:
    """How the Q-function is turned into actions.

    Attributes:
        cem: The search.
        proposals: What is chosen among instead, by a network that proposes actions.
        epsilon: Chance a step of a random action instead: for collecting, not for measuring.
        noise: Standard deviation added to moves and turns, in units of the largest.
    """

    cem: CemConfig = CemConfig()
    proposals: ProposalConfig = ProposalConfig()
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
        self._tasks, self._config = tasks, config
        self._serve(q_function)
        self._path: Path | None = None
        self._stamp: tuple | None = None

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
        self._serve(load_q_function(path, tasks=self._tasks))
        self._path, self._stamp = path, stamp
        return self.fingerprint

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose pictures it acts by; none before a checkpoint is loaded."""
        return () if self._q_function is None else tuple(self._q_function.cameras)

    def _serve(self, q_function: QFunction | None) -> None:
        self._q_function = q_function
        if q_function is not None:
            network = q_function.network
            self._asked = proposers(network)
            self._goals = GoalPictures(network, network.goal_cameras, q_function.cameras)

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
        answers: list[PolicyAnswer | None] = [None] * len(requests)
        pictures: list[dict[str, np.ndarray]] = []
        good = []
        for i, request in enumerate(requests):
            try:
                self._check(request)
                pictures.append(self._decode(request))
                good.append(i)
            except InputError as error:
                answers[i] = _refuse(error_code(error), str(error))
        if good:
            for i, answer in zip(
                good, self._evaluate([requests[i] for i in good], pictures), strict=True
            ):
                answers[i] = answer
        return answers  # type: ignore[return-value]

    def _check(self, request: PolicyRequest) -> None:
        if request.goal is not None:
            self._goals.check(request)
        elif request.task not in self._q_function.tasks:
            raise InputError(
                "task", where=f"ChooseAction of {request.robot}", got=repr(request.task),
                expected=f"one of {list(self._q_function.tasks)}",
            )  # fmt: skip

    def _decode(self, request: PolicyRequest) -> dict[str, np.ndarray]:
        where = f"ChooseAction of {request.robot}"
        out = {}
        for camera, size in self._q_function.cameras.items():
            data = request.observation.images_jpeg.get(camera)
            if data is None:
                raise InputError(
                    f"picture of {camera}", where=where,
                    got=sorted(request.observation.images_jpeg), expected=camera,
                )  # fmt: skip
            out[camera] = decode_picture(data, size, f"picture of {camera}", where)
        return out

    @torch.inference_mode()
    def _evaluate(self, requests, pictures) -> list[PolicyAnswer]:
        q_function, n = self._q_function, len(requests)
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
        goal = self._goals.rows([requests[i] for i in rows])
        network = q_function.network
        embedding = network.embed(images, state, goal)

        def score(action: torch.Tensor) -> torch.Tensor:
            return network.q(embedding, task, action)

        proposed = torch.where(
            task == network.goal_task,
            torch.tensor(network.proposes), torch.tensor(network.proposes_tasks),
        )  # fmt: skip
        code, q = torch.zeros(len(rows), CODE_SIZE), torch.zeros(len(rows))
        if not proposed.all():
            normal, uniform = (noise[:, rows] for noise in self._noise(requests))
            code, q = maximise(score, len(rows), self._config.cem, normal, uniform)
        if proposed.any():
            asked = self._asked[task]
            output, _ = network.behaviour(images, state, asked.flatten(), goal)
            offsets = self._offsets(requests)[rows]
            best, value = best_proposal(
                score, output.view(*asked.shape, -1), self._config.proposals, offsets
            )
            code[proposed], q[proposed] = best[proposed], value[proposed]
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

    def _noise(self, requests) -> tuple[torch.Tensor, torch.Tensor]:
        """(iterations, n, samples, 4) normal and (iterations, n, samples) uniform, by request."""
        cem = self._config.cem
        shape = (cem.iterations, cem.samples)
        normal, uniform = [], []
        for request in requests:
            random = seeds.generator(request.seed, "cem", request.step_index)
            normal.append(random.standard_normal((*shape, CONTINUOUS), np.float32))
            uniform.append(random.random(shape, np.float32))
        return torch.from_numpy(np.stack(normal, 1)), torch.from_numpy(np.stack(uniform, 1))

    def _offsets(self, requests) -> torch.Tensor:
        """(n, moves, 4) of the proposed moves from the cloned ones, by request."""
        proposals = self._config.proposals
        shape = (max(proposals.moves, self._asked.shape[1]), CONTINUOUS)
        normal = np.stack([
            seeds.generator(request.seed, "proposals", request.step_index)
            .standard_normal(shape, np.float32)
            for request in requests
        ])  # fmt: skip
        to_goal = np.array([request.goal is not None for request in requests])
        std = np.where(to_goal, proposals.goal_std, proposals.std).astype(np.float32)
        return torch.from_numpy(std[:, None, None] * normal)

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


def proposers(network: TwoStageQ) -> torch.Tensor:
    """(tasks and the goal, k) int64: for which tasks the clone is asked to propose actions of
    each; its own fill up what others have more.
    """
    of_tasks = getattr(network.config, "proposers", ()) or [(i,) for i in range(network.goal_task)]
    asked = [*of_tasks, (network.goal_task,)]
    most = max(map(len, asked))
    return torch.tensor([(*some, *[some[0]] * (most - len(some))) for some in asked])


def _stamp(path: Path) -> tuple | None:
    try:
        stat = (Path(path) / CONFIG).stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)


def error_code(error: InputError) -> int:
    """The code of `ChooseAction` for a request that was refused: what it asks, or a picture."""
    asked = error.what in ("task", "goal", "goal's cameras")
    return ERROR_UNKNOWN_TASK if asked else ERROR_BAD_IMAGE


def _refuse(code: int, message: str) -> PolicyAnswer:
    return PolicyAnswer(Action(), error=code, error_msg=message)
