"""A crude rearrangement in one episode: pick something, put it down elsewhere in the bin, stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
        self._lifted: dict[str, tuple[str, int]] = {}

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: PolicyRequest) -> PolicyAnswer:
        episode, since = self._lifted.get(request.robot, ("", 0))
        if episode != request.episode_id or request.step_index < since:
            answer = self._pick.choose([request])[0]
            if answer.error or not answer.action.terminate or not self._pick.holds(request):
                return answer
            since = request.step_index
            self._lifted[request.robot] = request.episode_id, since
        # the script that puts down counts its steps from here
        return self._put_down.choose([replace(request, step_index=request.step_index - since)])[0]
