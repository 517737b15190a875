"""A crude pick from the picture: go to a coloured patch, close, lift, stop.

Where the fingers closed on nothing it sometimes opens them and tries once more, so that the data
tells what a second try is worth.

It collects the first data of the easiest task. It never sees the simulator's state: it aims at
a blob of the shoulder picture, and its aim is blurred on purpose, at a level drawn each episode,
so that the data holds good grasps, near misses and clear misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtopt_learning.policy.blobs import BlobConfig, BlobFinder
from mtopt_learning.policy.pinhole import PinholeCamera
from mtopt_learning.policy.script_motion import towards, turn_towards
from mtopt_learning.policy.script_plans import ScriptPlans
from mtopt_learning.policy.step_draws import step_draws
from mtopt_spec import seeds
from mtopt_spec.action import Action
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest


@dataclass(frozen=True)
class PickConfig:
    """The script's numbers.

    Attributes:
        aim_noise_m: Standard deviation of the aim on each axis, one a level.
        turn_noise_rad: Standard deviation of the aimed azimuth, one a level.
        step_noise_m: Standard deviation of each step's translation, one a level.
        p_stop: Chance a step to end the episode there: what *terminate* is worth half-way.
        p_retry: Chance to try again after a try that failed.
        retry_before_step: From this step on there is no time for another try.
        empty_opening_m: Closed fingers that are closer than this hold nothing: the try failed.
        lying_share: Or None; else fingers cannot tell, and the try failed if a patch is seen
            from `hover_m` on of at least this share of the pixels of the one that it was for.
        hover_m: Height of the tool at which it waits for the aim to be reached.
        grasp_m: Lowest and highest aimed height of a grasp.
        arrived_m: Distance from the aim, in the plane, at which the tool goes down.
        lift_m: Height at which the episode ends.
        largest: Takes the largest patch instead of any.
        blobs: What is seen as an object.
    """

    aim_noise_m: tuple[float, ...] = (0.015, 0.05, 0.09)
    turn_noise_rad: tuple[float, ...] = (0.15, 0.5, 1.0)
    step_noise_m: tuple[float, ...] = (0.005, 0.012, 0.02)
    p_stop: float = 0.015
    p_retry: float = 0.5
    retry_before_step: int = 11
    empty_opening_m: float = 0.01
    lying_share: float | None = None
    hover_m: float = 0.09
    grasp_m: tuple[float, float] = (0.018, 0.035)
    arrived_m: float = 0.03
    lift_m: float = 0.13
    largest: bool = False
    blobs: BlobConfig = BlobConfig()


CLEAN_PICK = "clean_pick"
CLEAN = PickConfig(
    aim_noise_m=(0.0,), turn_noise_rad=(0.0,), step_noise_m=(0.0,), p_stop=0.0, p_retry=1.0
)
"""Aims as well as the picture allows, and always tries again: what shows goals."""


CAREFUL = PickConfig(
    aim_noise_m=(0.0, 0.015, 0.03), turn_noise_rad=(0.0, 0.15, 0.3),
    step_noise_m=(0.003, 0.006, 0.01), p_retry=1.0,
)  # fmt: skip
"""Mostly lifts: for data in which something comes after the lift."""


CLOTH = replace(
    CAREFUL, p_stop=0.0, retry_before_step=12, lying_share=0.45, grasp_m=(0.008, 0.02),
    lift_m=0.16, largest=True,
)  # fmt: skip
"""Pinches a cloth, which is larger than all else that lies there, and lifts it so high that its
middle is off the floor. Fingers that hold it are as close as those that hold nothing, but what
hangs from them shows less of itself than what lies flat."""


@dataclass(frozen=True)
class _Plan:
    episode_id: str
    level: int
    x_m: float
    y_m: float
    grasp_m: float
    azimuth_rad: float
    retries: bool
    pixels: int = 0
    phase: str = "approach"
    waited: int = 0


class ScriptedPick:
    """Picks at a patch of colour."""

    def __init__(self, camera: PinholeCamera, config: PickConfig = PickConfig()):
        self._config = config
        self._blobs = BlobFinder(camera, config.blobs)
        self._plans = ScriptPlans(self._make_plan, self._step)

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request."""
        return self._plans.choose(requests)

    def _make_plan(self, request: PolicyRequest) -> _Plan:
        config, blobs = self._config, self._blobs.look(request)
        random = seeds.generator(request.seed, "scripted pick", request.step_index)
        level = int(random.integers(len(config.aim_noise_m)))
        noise = random.normal(size=3)
        if config.largest:
            blobs = sorted(blobs, key=lambda blob: blob.pixels)[-1:]
        if blobs:
            blob = blobs[int(random.integers(len(blobs)))]
            x, y, azimuth = blob.x_m, blob.y_m, blob.axis_rad
        else:  # nothing seen: anywhere
            x, y = random.uniform(-0.15, 0.15, 2)
            azimuth = float(random.uniform(-np.pi / 2, np.pi / 2))
        return _Plan(
            request.episode_id,
            level,
            float(x + noise[0] * config.aim_noise_m[level]),
            float(y + noise[1] * config.aim_noise_m[level]),
            float(random.uniform(*config.grasp_m)),
            float(azimuth + noise[2] * config.turn_noise_rad[level]),
            bool(random.random() < config.p_retry),
            blob.pixels if blobs else 0,
        )

    def _step(self, plan: _Plan, request: PolicyRequest) -> tuple[_Plan, Action]:
        config = self._config
        x, y, z, azimuth = request.observation.tool_pose_bin
        normal, chance = step_draws(request.seed, "scripted pick step", request.step_index)
        noise = [number * config.step_noise_m[plan.level] for number in normal]
        if chance < config.p_stop:
            return plan, Action(terminate=True)
        turn = turn_towards(azimuth, plan.azimuth_rad, 3 * noise[3])
        away = max(abs(plan.x_m - x), abs(plan.y_m - y))
        if plan.phase == "approach" and away < config.arrived_m and z < config.hover_m + 0.06:
            turned = abs(turn_towards(azimuth, plan.azimuth_rad, 0.0)) < 0.29
            plan = replace(plan, phase="descend") if turned else plan
        if plan.phase == "descend" and (z < plan.grasp_m + 0.006 or plan.waited >= 4):
            plan = replace(plan, phase="close")
        if plan.phase == "approach":
            target = (plan.x_m, plan.y_m, config.hover_m)
            return plan, Action(
                translation_m=towards((x, y, z), target, noise[:3]), azimuth_rad=turn
            )
        if plan.phase == "descend":
            target = (plan.x_m, plan.y_m, plan.grasp_m)
            move = towards((x, y, z), target, (*noise[:2], 0.0))
            return replace(plan, waited=plan.waited + 1), Action(
                translation_m=move, azimuth_rad=turn
            )
        if plan.phase == "close":
            return replace(plan, phase="lift"), Action(close=True)
        if self._tries_again(plan, request):
            move = towards((x, y, z), (x, y, config.hover_m + 0.05), (*noise[:2], 0.0))
            return self._make_plan(request), Action(translation_m=move, open=True)
        if z < config.lift_m - 0.01 and plan.phase == "lift" and plan.waited < 9:
            move = towards((x, y, z), (x, y, z + 0.06), (*noise[:2], 0.0))
            return replace(plan, waited=plan.waited + 1), Action(translation_m=move)
        return plan, Action(terminate=True)

    def holds(self, request: PolicyRequest) -> bool:
        """Whether the closed fingers are as far apart as around an object."""
        observation = request.observation
        return (
            observation.gripper_closed
            and observation.gripper_opening_m >= self._config.empty_opening_m
        )

    def _tries_again(self, plan: _Plan, request: PolicyRequest) -> bool:
        time_left = request.step_index < self._config.retry_before_step
        if not (plan.retries and time_left and request.observation.gripper_closed):
            return False
        if self._config.lying_share is None:
            return not self.holds(request)
        return self._still_lies(plan, request)

    def _still_lies(self, plan: _Plan, request: PolicyRequest) -> bool:
        if request.observation.tool_pose_bin[2] < self._config.hover_m:
            return False  # not to be told yet
        seen = max((blob.pixels for blob in self._blobs.look(request)), default=0)
        return seen >= self._config.lying_share * plan.pixels
