"""Shows as many goals as are asked for, in processes side by side."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mtopt_bringup.goalset.demonstrator import Demonstrator, Shown
from mtopt_bringup.goalset.goal_set import GOAL_CAMERAS, GoalSet, ShownGoal, world_name
from mtopt_sim.cell import CellConfig, cell_robots, cell_tasks
from mtopt_spec import seeds
from mtopt_spec.errors import InputError
from mtopt_spec.goal import KINDS

_TRIES_A_GOAL = 20


@dataclass(frozen=True)
class DemonstrationConfig:
    """What is shown.

    Attributes:
        kinds: Of the goals.
        goals: Of each kind.
        seed: Of the scenes, which are nobody's training scenes: their draws have another purpose.
        processes: 0 takes one a core. What is shown does not depend on it.
        world: World file; None takes the installed one.
        tasks_file: Tasks of the cell; None takes the installed ones.
    """

    kinds: tuple[str, ...] = KINDS
    goals: int = 100
    seed: int = 0
    processes: int = 0
    world: Path | None = None
    tasks_file: Path | None = None

    def __post_init__(self):
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise InputError("kinds", where="demonstrations", got=self.kinds, expected=KINDS)
        if self.goals < 1 or self.seed < 0:
            raise InputError(
                "goals, seed", where="demonstrations", got=(self.goals, self.seed),
                expected="at least one goal and a seed from 0 on",
            )  # fmt: skip


def demonstrate(config: DemonstrationConfig, on_goal: Callable[[], None] | None = None) -> GoalSet:
    """Shows goals; a demonstration that fails gives none, and another scene is tried.

    Args:
        config: What.
        on_goal: Called after each goal.

    Returns:
        The goals, kind by kind; `about` has each kind's `tries`, `goals`, `seconds` and `failed`
        (why to how often).

    Raises:
        InputError: Hardly any demonstration succeeds, or a file is broken.
        RuntimeError: A worker process died.
    """
    cell_robots(CellConfig(robots=1, world=config.world))  # before a process is started
    cell_tasks(config.tasks_file)
    count = min(config.processes or len(os.sched_getaffinity(0)), 64)
    arguments = (config.world, config.tasks_file)
    workers = [_Remote(arguments) for _ in range(count)] if count > 1 else [_Local(arguments)]
    goals: list[ShownGoal] = []
    kinds = {}
    try:
        for kind in dict.fromkeys(config.kinds):
            began_s, failed, found = time.monotonic(), Counter(), []
            for tries, shown in enumerate(_in_turn(workers, kind, config.seed), 1):
                if shown.goal is None:
                    failed[shown.why] += 1
                else:
                    found.append(shown.goal)
                    if on_goal is not None:
                        on_goal()
                if len(found) == config.goals:
                    break
                if tries >= _TRIES_A_GOAL * config.goals:
                    raise InputError(
                        "demonstrations", where=f"{kind} in {world_name(config.world)}",
                        got=f"{len(found)} successes of {tries}: {dict(failed)}",
                        expected=f"{config.goals} goals",
                    )  # fmt: skip
            kinds[kind] = {
                "tries": tries, "goals": len(found), "failed": dict(failed),
                "seconds": round(time.monotonic() - began_s, 1),
            }  # fmt: skip
            goals += found
    finally:
        for worker in workers:
            worker.close()
    return GoalSet(
        tuple(goals),
        GOAL_CAMERAS,
        world=world_name(config.world),
        tasks_file=str(config.tasks_file.resolve()) if config.tasks_file else "",
        about={"seed": config.seed, "kinds": kinds},
    )


def scene_seed(seed: int, kind: str, number: int) -> int:
    """The scene of a kind's n-th demonstration."""
    return seeds.derive(seed, f"goal scene/{kind}", number)


def _in_turn(workers: list, kind: str, seed: int) -> Iterator[Shown]:
    """What each demonstration gave, in their order: without end, or until closed."""
    for number, worker in enumerate(workers):
        worker.ask(kind, scene_seed(seed, kind, number))
    number = 0
    try:
        while True:
            worker = workers[number % len(workers)]
            shown = worker.answer()
            worker.ask(kind, scene_seed(seed, kind, number + len(workers)))
            number += 1
            yield shown
    finally:
        for i in range(len(workers)):  # those that nobody waits for
            workers[(number + i) % len(workers)].forget()


class _Local:
    """Demonstrates in this process, when asked for the answer."""

    def __init__(self, arguments: tuple):
        self._demonstrator = Demonstrator(*arguments)
        self._asked: tuple[str, int] | None = None

    def ask(self, kind: str, seed: int) -> None:
        self._asked = kind, seed

    def answer(self) -> Shown:
        return self._demonstrator.show(*self._asked)

    def forget(self) -> None:
        self._asked = None

    def close(self) -> None:
        pass


class _Remote:
    """Demonstrates in a process of its own."""

    def __init__(self, arguments: tuple):
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, arguments), daemon=True)
        self._process.start()
        other.close()

    def ask(self, kind: str, seed: int) -> None:
        try:
            self._connection.send((kind, seed))
        except OSError as error:
            raise self._died() from error

    def answer(self) -> Shown:
        try:
            result = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if isinstance(result, str):
            raise RuntimeError(f"worker process {self._process.pid}: {result}")
        return result

    def forget(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.answer()

    def close(self) -> None:
        self._connection.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def _died(self) -> RuntimeError:
        self._process.join(5)
        return RuntimeError(
            f"worker process {self._process.pid} died with exit code {self._process.exitcode}"
        )


def _serve(connection, arguments: tuple) -> None:
    """The other process: answers until its parent closes the connection or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    logging.getLogger("OpenGL").setLevel(logging.WARNING)
    try:
        demonstrator = None
        while True:
            kind, seed = connection.recv()
            demonstrator = demonstrator or Demonstrator(*arguments)
            connection.send(demonstrator.show(kind, seed))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        logging.getLogger("mtopt.goals").exception("worker")
        connection.send(f"{type(error).__name__}: {error}")
