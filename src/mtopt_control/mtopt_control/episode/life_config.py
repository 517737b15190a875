"""How a robot lives: what all its episodes have in common."""

from __future__ import annotations

from dataclasses import dataclass

from mtopt_spec.action import CONTROL_PERIOD_S, MAX_STEPS
from mtopt_spec.errors import InputError

JUDGES = ("detector", "simulator", "none")


@dataclass(frozen=True)
class LifeConfig:
    """How a robot lives.

    Attributes:
        robot: Its namespace without the slash.
        run: Name of the run, first part of every episode's id.
        judge: Whose label is an episode's reward: `detector` (the simulator's where it gives
            none), `simulator`, or `none` (people label later). No detector knows a goal: an
            episode with one has the simulator's label or none.
        max_steps: Control steps of an episode; then it is truncated.
        home_spread_m: The home position is shifted by up to this in x and y, drawn anew for
            each episode.
        camera_names: Cameras of an observation.
        control_period_s: Time between observations.
        first_episode_number: Of the first episode of this run.
    """

    robot: str
    run: str = "run"
    judge: str = "simulator"
    max_steps: int = MAX_STEPS
    home_spread_m: float = 0.05
    camera_names: tuple[str, ...] = ("shoulder", "wrist")
    control_period_s: float = CONTROL_PERIOD_S
    first_episode_number: int = 0

    def __post_init__(self):
        if self.judge not in JUDGES:
            raise InputError(
                "judge", where="episode parameters", got=self.judge, expected=f"one of {JUDGES}"
            )
        if not 0 < self.max_steps <= MAX_STEPS * 50 or self.home_spread_m < 0:
            raise InputError(
                "max_steps, home_spread_m",
                where="episode parameters",
                got=(self.max_steps, self.home_spread_m),
                expected="at least 1 step and a spread of at least 0 m",
            )
