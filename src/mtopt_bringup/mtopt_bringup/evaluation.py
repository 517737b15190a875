"""Measures each task's success rate: fresh scenes, the simulator's truth as the judge.

The scene of a task that names an object holds that object, among others.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.run_folder import start_run
from mtopt_learning.evaluate.schedule import EvaluationSchedule, Job
from mtopt_learning.evaluate.scores import score_tasks
from mtopt_sim.cell import CellConfig, cell_robots, cell_tasks, scene_objects
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Policy
from mtopt_spec.task import Task
from mtopt_spec.whole_file import write_aside

_SAVE_EVERY_S = 5.0
_INSTALLED = CellConfig(robots=1)


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured.

    Attributes:
        tasks: Names.
        episodes: Of each task.
        policy: Its name: `qfunction`, `bootstrap`, `random`, ...
        fingerprint: Of the checkpoint; '' for policies without one.
        seed: Of the scenes: policies that are measured with one seed meet the same ones.
        robots: Stations side by side.
        processes: 0 takes one a core.
        out: Folder for bags of the episodes; None records nothing.
        world: World file; None takes the installed one.
        tasks_file: Tasks of the cell; None takes the installed ones.
    """

    tasks: tuple[str, ...]
    episodes: int
    policy: str
    fingerprint: str = ""
    seed: int = 1000
    robots: int = 7
    processes: int = 0
    out: Path | None = None
    world: Path | None = None
    tasks_file: Path | None = None


def evaluate(
    config: EvaluationConfig,
    policy: Policy | None = None,
    progress_file: Path | None = None,
    on_episode: Callable[[int], None] | None = None,
) -> dict:
    """Runs the episodes that are not in `progress_file` yet.

    Args:
        config: What is measured.
        policy: Answers for the Q-function.
        progress_file: Keeps the outcomes of finished episodes, and so of none that was void each
            time; None keeps nothing.
        on_episode: Called with the number of episodes that are done.

    Returns:
        As `score_tasks`, with `policy`, `checkpoint`, `seed`, `void_episodes` and, of this call,
        `failed_by_fault`: attempts that count as failures since they were void each time.

    Raises:
        InputError: An unknown task, a file of the cell that is not there, or a damaged progress
            file.
        KeyboardInterrupt: Interrupted; finished episodes are kept.
    """
    about = _about(config)
    done = _read(progress_file, about)
    jobs = [Job(task, number) for number in range(config.episodes) for task in config.tasks]
    left = [job for job in jobs if job not in done]
    void = faults = 0
    if left:
        cell = CellConfig(robots=min(config.robots, len(left)), world=config.world)
        robots = cell_robots(cell)
        schedule = EvaluationSchedule(
            left, robots, cell_tasks(config.tasks_file), config.policy, config.seed,
            lambda task, seed: has_object(task, seed, cell),
        )  # fmt: skip
        saved_s = time.monotonic()
        run = start_run(config.out, config.seed, "eval-").run if config.out else "eval"

        def note(begin, end) -> None:
            nonlocal saved_s
            if on_episode:
                on_episode(len(jobs) - len(left) + len(schedule.results))
            if time.monotonic() - saved_s > _SAVE_EVERY_S:
                saved_s = time.monotonic()
                _write(progress_file, about, {**done, **schedule.sound_results})

        collected = collect(
            CollectConfig(
                robots=len(robots), seed=config.seed, processes=config.processes,
                run=run, out=config.out, world=config.world, tasks_file=config.tasks_file,
            ),
            policy=policy, scheduler=schedule, on_episode=note,
        )  # fmt: skip
        _write(progress_file, about, {**done, **schedule.sound_results})
        done.update(schedule.results)
        if on_episode:
            on_episode(len(jobs) - len(left) + len(schedule.results))
        if collected.interrupted:
            raise KeyboardInterrupt
        void, faults = collected.void_episodes, len(schedule.failed_by_fault)
    counts = {
        task: (config.episodes, sum(done[Job(task, i)] for i in range(config.episodes)))
        for task in config.tasks
    }
    result = score_tasks(counts)
    result.update(policy=config.policy, checkpoint=config.fingerprint, seed=config.seed)
    result.update(void_episodes=void, failed_by_fault=faults)
    return result


def has_object(task: Task, seed: int, cell: CellConfig = _INSTALLED) -> bool:
    """Whether the objects that a task names are in the scene of this seed."""
    return not task.things or set(task.things) <= set(scene_objects(seed, cell))


def _about(config: EvaluationConfig) -> dict:
    """What must be the same for outcomes to be of the same evaluation."""
    about = {"policy": config.policy, "checkpoint": config.fingerprint, "seed": config.seed}
    files = {"world": config.world, "tasks_file": config.tasks_file}
    return about | {name: _digest(path) for name, path in files.items() if path is not None}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise InputError("file", where=path, got=error.strerror, expected="a file") from error


def _read(path: Path | None, about: dict) -> dict[Job, bool]:
    if path is None or not path.exists():
        return {}
    try:
        stored = json.loads(path.read_text())
        if stored["about"] != about:
            return {}
        return {Job(o["task"], o["number"]): bool(o["success"]) for o in stored["episodes"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "progress", where=path, got=f"{error}", expected="what `mtopt eval` wrote",
            todo="remove the file to begin anew",
        ) from error  # fmt: skip


def _write(path: Path | None, about: dict, done: dict[Job, bool]) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    episodes = [{**asdict(job), "success": success} for job, success in done.items()]
    write_aside(path, json.dumps({"about": about, "episodes": episodes}).encode())
