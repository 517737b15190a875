"""A crude place: carry what the gripper holds over its place, lower it, let go, rise, stop.

The plate is part of the bin, so its place is known. The aim is blurred at a level drawn each
episode, so that some drops miss the plate or the section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mtopt_learning.policy.blobs import Blob, BlobFinder
from mtopt_learning.policy.script_motion import towards, turn_towards
from mtopt_learning.policy.script_plans import ScriptPlans
from mtopt_learning.policy.step_draws import step_draws
from mtopt_spec import seeds
from mtopt_spec.action import Action
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest
from mtopt_spec.task import TaskList

_SECTIONS = {
    "any": (-0.14, 0.14, 0.24, 0.40),
    "bottom": (-0.14, -0.03, 0.24, 0.40),
    "top_left": (0.03, 0.14, 0.34, 0.40),
    "top_right": (0.03, 0.14, 0.24, 0.30),
}

_AIMS = 50
"""Drawn at most, until one is far enough from everything; then the best of them."""


@dataclass(frozen=True)
class PlaceConfig:
    """The script's numbers.

    Attributes:
        sections: Section of the plate to the box that is aimed at: x low, x high, y low, y high,
            m, bin frame.
        aim_noise_m: Standard deviation of the aim on each axis, one a level.
        step_noise_m: Standard deviation of each step's translation, one a level.
        carry_m: Height of the tool on its way.
        release_m: Lowest and highest aimed height of letting go.
        arrived_m: Distance from the aim, in the plane, at which the tool goes down.
        rise_m: How far the tool rises after letting go.
        rises: In so many steps, each that far.
        away_m: The aim is at least so far from where the tool begins.
        clear_m: It is at least so far from the middle of all that lies there.
    """

    sections: Mapping[str, tuple[float, float, float, float]] = field(
        default_factory=lambda: dict(_SECTIONS)
    )
    aim_noise_m: tuple[float, ...] = (0.01, 0.04, 0.08)
    step_noise_m: tuple[float, ...] = (0.003, 0.008, 0.012)
    carry_m: float = 0.14
    release_m: tuple[float, float] = (0.03, 0.07)
    arrived_m: float = 0.03
    rise_m: float = 0.06
    rises: int = 1
    away_m: float = 0.0
    clear_m: float = 0.0


PUT_DOWN = PlaceConfig(
    sections={"any": (-0.13, 0.13, -0.13, 0.11)}, aim_noise_m=(0.0, 0.0, 0.0),
    release_m=(0.022, 0.03), rises=2, away_m=0.12, clear_m=0.09,
)  # fmt: skip
"""Puts down on the bin's floor, elsewhere than it was picked, where nothing lies: what is let go of
on top of something ends up beside the gripper. The plate is beyond."""
COVER = PlaceConfig(
    aim_noise_m=(0.0, 0.01, 0.02), step_noise_m=(0.0, 0.003, 0.006), release_m=(0.11, 0.14), rises=5
)
"""Lets a held cloth fall over what lies on the plate: from so high that it is not crumpled, and
rises until it touches no finger and has come to rest."""


@dataclass(frozen=True)
class _Plan:
    episode_id: str
    level: int
    x_m: float
    y_m: float
    release_m: float
    azimuth_rad: float
    phase: str = "carry"
    waited: int = 0
    risen: int = 0


class ScriptedPlace:
    """Drops on the section that the task names, or anywhere on the plate.

    Args:
        tasks: Of the cell.
        config: Numbers.
        over: Finds what to drop on, in the picture from which it begins; None, or where it finds
            nothing: anywhere.
        clear_of: Finds there what not to drop on.
    """

    def __init__(
        self,
        tasks: TaskList,
        config: PlaceConfig = PlaceConfig(),
        over: BlobFinder | None = None,
        clear_of: BlobFinder | None = None,
    ):
        self._over, self._clear_of = over, clear_of
        self._sections = {task.name: task.success.get("section", "any") for task in tasks}
        self._config = config
        self._plans = ScriptPlans(self._make_plan, self._step)

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request."""
        return self._plans.choose(requests)

    def _make_plan(self, request: PolicyRequest) -> _Plan:
        config = self._config
        random = seeds.generator(request.seed, "scripted place")
        section = self._sections.get(request.task, "any")
        box = config.sections.get(section, config.sections["any"])
        level = int(random.integers(len(config.aim_noise_m)))
        noise = random.normal(size=2) * config.aim_noise_m[level]
        lying = self._clear_of.look(request) if self._clear_of else []
        x, y = self._aim(box, request.observation.tool_pose_bin[:2], lying, random)
        patches = self._over.look(request) if self._over else []
        if patches:
            patch = max(patches, key=lambda patch: patch.pixels)
            x, y = patch.x_m, patch.y_m
        return _Plan(
            request.episode_id,
            level,
            float(x + noise[0]),
            float(np.clip(y + noise[1], -0.15, 0.42)),
            float(random.uniform(*config.release_m)),
            float(random.uniform(-0.6, 0.6)),
        )

    def _aim(
        self, box, tool_m, lying: Sequence[Blob], random: np.random.Generator
    ) -> tuple[float, float]:
        """A place of the box (x low, x high, y low, y high), far enough from tool and patches."""
        x_low, x_high, y_low, y_high = box
        config, best, most_m = self._config, (0.0, 0.0), -np.inf
        for _ in range(_AIMS):
            x, y = random.uniform(x_low, x_high), random.uniform(y_low, y_high)
            room_m = np.hypot(x - tool_m[0], y - tool_m[1]) - config.away_m
            for blob in lying:
                room_m = min(room_m, np.hypot(x - blob.x_m, y - blob.y_m) - config.clear_m)
            if room_m > most_m:
                best, most_m = (x, y), room_m
            if room_m >= 0:
                break
        return best

    def _step(self, plan: _Plan, request: PolicyRequest) -> tuple[_Plan, Action]:
        config = self._config
        x, y, z, azimuth = request.observation.tool_pose_bin
        normal, _ = step_draws(request.seed, "scripted place step", request.step_index)
        noise = [number * config.step_noise_m[plan.level] for number in normal]
        turn = turn_towards(azimuth, plan.azimuth_rad, 3 * noise[3])
        away = max(abs(plan.x_m - x), abs(plan.y_m - y))
        if plan.phase == "carry" and away < config.arrived_m:
            plan = replace(plan, phase="lower")
        if plan.phase == "lower" and (z < plan.release_m + 0.01 or plan.waited >= 4):
            plan = replace(plan, phase="release")
        if plan.phase == "carry":
            target = (plan.x_m, plan.y_m, config.carry_m)
            return plan, Action(
                translation_m=towards((x, y, z), target, noise[:3]), azimuth_rad=turn
            )
        if plan.phase == "lower":
            target = (plan.x_m, plan.y_m, plan.release_m)
            move = towards((x, y, z), target, (*noise[:2], 0.0))
            return replace(plan, waited=plan.waited + 1), Action(translation_m=move)
        if plan.phase == "release":
            return replace(plan, phase="rise"), Action(open=True)
        if plan.phase == "rise":
            rise = min(config.rise_m, 0.06)
            done = plan.risen + 1
            plan = replace(plan, phase="stop" if done >= config.rises else "rise", risen=done)
            return plan, Action(translation_m=(0.0, 0.0, rise))
        return plan, Action(terminate=True)
