"""What a script means to do, robot by robot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest

ERROR_BAD_IMAGE = 3


class Plan(Protocol):
    """What a script means to do in one episode."""

    episode_id: str


P = TypeVar("P", bound=Plan)


class ScriptPlans(Generic[P]):
    """Keeps one plan a robot, made anew at each episode's start.

    Asked again, since the answer was lost, it answers the same and does not move the plan on.

    Args:
        make: Makes a plan at an episode's first request.
        step: The plan after a request, and the action.
    """

    def __init__(
        self,
        make: Callable[[PolicyRequest], P],
        step: Callable[[P, PolicyRequest], tuple[P, Action]],
    ):
        self._make, self._step = make, step
        self._plans: dict[str, P] = {}
        self._answered: dict[str, tuple[tuple[str, int, int], Action]] = {}

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request; an error code where a picture is missing that its plan needs."""
        answers = []
        for request in requests:
            try:
                answers.append(PolicyAnswer(self.act(request)))
            except InputError as error:
                answers.append(PolicyAnswer(Action(), error=ERROR_BAD_IMAGE, error_msg=str(error)))
        return answers

    def act(self, request: PolicyRequest) -> Action:
        """The action of the robot's plan."""
        key = (request.episode_id, request.step_index, request.seed)
        answered, same = self._answered.get(request.robot, (None, None))
        if answered == key:
            return same
        plan = self._plans.get(request.robot)
        if plan is None or request.step_index == 0 or plan.episode_id != request.episode_id:
            plan = self._make(request)
        self._plans[request.robot], action = self._step(plan, request)
        self._answered[request.robot] = (key, action)
        return action
