"""Random actions: the floor that every policy is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mtopt_spec import seeds
from mtopt_spec.action import MAX_AZIMUTH_RAD, MAX_TRANSLATION_M, Action
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest


@dataclass(frozen=True)
class RandomConfig:
    """How often the random policy does what.

    Attributes:
        p_gripper: Chance a step to close an open gripper, or to open a closed one.
        p_terminate: Chance a step to end the episode.
    """

    p_gripper: float = 0.15
    p_terminate: float = 0.04


class RandomPolicy:
    """Uniform translations and turns."""

    def __init__(self, config: RandomConfig = RandomConfig()):
        self._config = config

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request; it depends on the episode's seed and the step only."""
        return [PolicyAnswer(self._act(request)) for request in requests]

    def _act(self, request: PolicyRequest) -> Action:
        random = seeds.generator(request.seed, "random policy", request.step_index)
        move = random.uniform(-MAX_TRANSLATION_M, MAX_TRANSLATION_M, 3)
        turn = float(random.uniform(-MAX_AZIMUTH_RAD, MAX_AZIMUTH_RAD))
        change = bool(random.random() < self._config.p_gripper)
        closed = request.observation.gripper_closed
        return Action(
            translation_m=(float(move[0]), float(move[1]), float(move[2])),
            azimuth_rad=turn,
            close=change and not closed,
            open=change and closed,
            terminate=bool(random.random() < self._config.p_terminate),
        )
