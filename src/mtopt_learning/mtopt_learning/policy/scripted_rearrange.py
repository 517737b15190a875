"""A crude rearrangement in one episode: pick something, put it down elsewhere in the bin, stop."""

from __future__ import annotations

from collections.abc import Sequence

from mtopt_learning.policy.scripted_pick import ScriptedPick
from mtopt_learning.policy.scripted_place import ScriptedPlace
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest


class ScriptedRearrange:
    """Picks by one script; where that stops with something in the gripper, another goes on.

    Args:
        pick: Lifts.
        put_down: Puts down what is held.
    """

    def __init__(self, pick: ScriptedPick, put_down: ScriptedPlace):
        self._pick, self._put_down = pick, put_down
        self._lifted: dict[str, str] = {}  # robot to the episode in which it has

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: PolicyRequest) -> PolicyAnswer:
        if self._lifted.get(request.robot) != request.episode_id:
            answer = self._pick.choose([request])[0]
            if answer.error or not answer.action.terminate or not self._pick.holds(request):
                return answer
            self._lifted[request.robot] = request.episode_id
        return self._put_down.choose([request])[0]
