"""How the scheduler gives out tasks."""

from __future__ import annotations

from dataclasses import dataclass

from mtopt_spec.errors import InputError

BOOTSTRAP = "bootstrap"
MODES = ("need", "fixed")


@dataclass(frozen=True)
class ScheduleConfig:
    """How tasks are given out.

    Attributes:
        robots: Names of the cell's robots.
        episodes: Complete episodes in all, shared equally; 0: no end.
        tasks: Names of the tasks that are collected; empty: all.
        mode: `need` (by gates and weights), or `fixed` (the tasks in turn: an evaluation).
        policy: `bootstrap` (each task's own), or one policy for every task: `qfunction`, `random`.
        bootstrap_fraction: Share of episodes by the bootstrap policy all the same, in [0, 1].
        seed: Of the run.
        min_successes: A task opens when every easier one of its skill has this many.
        weight_floor: Smallest weight of a task, beside its failure rate.
        simulated: New scenes can be asked for.
        episodes_per_scene: New objects after so many complete episodes; 0: never after the first.
        reset_new_scene: Tip the bin at the start of a new scene, too.
        failed_lifts_before_reset: Tip the bin after so many failed lifts in a row.
        prepare_task: Lift that brings an object into the gripper where only place tasks are asked
            for; its episodes do not count. A task that starts with one certain object is prepared
            by the lift of that one.
        robot_timeout_s: A robot that was not heard of for so long leaves its share to the others.
        max_void_in_row: So many void episodes in a row, over all robots, end the run.
    """

    robots: tuple[str, ...]
    episodes: int = 0
    tasks: tuple[str, ...] = ()
    mode: str = "need"
    policy: str = BOOTSTRAP
    bootstrap_fraction: float = 0.0
    seed: int = 0
    min_successes: int = 5
    weight_floor: float = 0.1
    simulated: bool = True
    episodes_per_scene: int = 10
    reset_new_scene: bool = False
    failed_lifts_before_reset: int = 5
    prepare_task: str = "lift-any"
    robot_timeout_s: float = 120.0
    max_void_in_row: int = 30

    def __post_init__(self):
        wrong = [
            name
            for name, right in (
                ("robots", self.robots and len(set(self.robots)) == len(self.robots)),
                ("episodes", self.episodes >= 0),
                ("mode", self.mode in MODES),
                ("bootstrap_fraction", 0.0 <= self.bootstrap_fraction <= 1.0),
                ("seed", self.seed >= 0),
                ("min_successes", self.min_successes >= 0),
                ("weight_floor", self.weight_floor > 0.0),
                ("episodes_per_scene", self.episodes_per_scene >= 0),
                ("failed_lifts_before_reset", self.failed_lifts_before_reset >= 1),
                ("max_void_in_row", self.max_void_in_row >= 1),
            )
            if not right
        ]
        if wrong:
            raise InputError(
                "schedule",
                where="scheduler parameters",
                got={name: getattr(self, name) for name in wrong},
                expected="values as documented",
            )
