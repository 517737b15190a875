"""Several robots of one process, tick by tick; in this process or in another one."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from mtopt_bringup.policies import local_policies
from mtopt_bringup.robot_loop import PARTS, EpisodeSink, RobotLoop
from mtopt_bringup.ros_episode_sink import BagSink
from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.requests import Act, Request
from mtopt_sim.cell import CellConfig, make_station
from mtopt_sim.station import Station
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd
from mtopt_spec.robot import load_robot, worlds_robot_folder
from mtopt_spec.task import TaskList


class ClosableSink(EpisodeSink, Protocol):
    """Takes whole episodes until it is closed."""

    def close(self) -> None:
        """Ends what is open."""


SinkMaker = Callable[[str, Station], ClosableSink]
"""Robot and its station to what takes its episodes."""


@dataclass(frozen=True)
class GroupConfig:
    """What one process runs.

    Attributes:
        cell: Of which its robots are a part.
        lives: One a robot.
        tasks: Of the cell.
        out: Folder of the bags; None records nothing.
        robot_file: Kind of robot.
        sinks: Makes what takes a robot's episodes, in its process, in place of bags; it can be
            pickled. None: bags, if any.
    """

    cell: CellConfig
    lives: tuple[LifeConfig, ...]
    tasks: TaskList
    out: Path | None
    robot_file: Path | None = None
    sinks: SinkMaker | None = None


@dataclass
class Exchange:
    """What a group hands out after it went on.

    Attributes:
        questions: Robot to the request that others must answer.
        ready: Robots that wait for the next tick.
        ended: Episodes that ended, in the order of the robots.
        spent_s, counts: Processor time by purpose and numbers, since the last exchange.
    """

    questions: dict[str, Request] = field(default_factory=dict)
    ready: int = 0
    ended: list[tuple[EpisodeBegin, EpisodeEnd]] = field(default_factory=list)
    spent_s: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)


class Group(Protocol):
    """Robots that are advanced together."""

    def start(self, answers: Mapping[str, object] | None, tick: bool) -> None:
        """Begins to go on: answers questions, then carries out a tick if asked to."""

    def finish(self) -> Exchange:
        """Waits for it."""

    def close(self) -> None:
        """Closes the bags."""


class LocalGroup:
    """Robots of this process."""

    def __init__(self, config: GroupConfig):
        robot = load_robot(config.robot_file or worlds_robot_folder())
        urdf = read_urdf(robot.urdf)
        self._sinks: list[ClosableSink] = []
        self.robots: list[RobotLoop] = []
        self._spent_s, self._counts = Counter(), Counter()  # since the last exchange
        for life in config.lives:
            station = make_station(config.cell, life.robot)
            sink = None
            if config.sinks is not None:
                sink = config.sinks(life.robot, station)
            elif config.out is not None:
                sink = BagSink(config.out, life.robot, station)
            if sink is not None:
                self._sinks.append(sink)
            policies = local_policies(config.tasks)
            self.robots.append(
                RobotLoop(
                    life, station, ArmCore(robot, urdf), config.tasks, policies, sink,
                    self._spent_s, self._counts,
                )
            )  # fmt: skip
        self._exchange = Exchange()

    def start(self, answers: Mapping[str, object] | None, tick: bool) -> None:
        """Goes on at once."""
        out = Exchange()
        began_s = time.thread_time()
        for robot in self.robots:
            if answers and robot.robot in answers:
                robot.answer(answers[robot.robot])
        out.spent_s["life"] += time.thread_time() - began_s
        if tick:
            acting = [robot for robot in self.robots if isinstance(robot.parked, Act)]
            # Part by part, since code and data of one part fit into the processor's cache.
            for name, part in PARTS.items():
                began_s = time.thread_time()
                for robot in acting:
                    part(robot)
                out.spent_s[name] += time.thread_time() - began_s
        for robot in self.robots:
            if isinstance(robot.parked, Act):
                out.ready += 1
            elif robot.parked is not None:
                out.questions[robot.robot] = robot.parked
            out.ended.extend(robot.ended)
            robot.ended = []
        # What a life had done for it is named by itself.
        out.spent_s["life"] -= self._spent_s.total()
        out.spent_s.update(self._spent_s)
        out.counts.update(self._counts)
        self._spent_s.clear()
        self._counts.clear()
        self._exchange = out

    def finish(self) -> Exchange:
        """What came of it."""
        return self._exchange

    def stations(self) -> list[Station]:
        """The robots' stations."""
        return [robot.station for robot in self.robots]

    def close(self) -> None:
        """Ends the lives and closes the bags."""
        for robot in self.robots:
            robot.close()
        for sink in self._sinks:
            sink.close()


class RemoteGroup:
    """The same robots in a process of their own."""

    def __init__(self, config: GroupConfig):
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, config), daemon=True)
        self._process.start()
        other.close()

    def start(self, answers: Mapping[str, object] | None, tick: bool) -> None:
        """Tells the process to go on."""
        self._send((dict(answers or {}), tick))

    def finish(self) -> Exchange:
        """Waits for the process."""
        return self._receive()

    def close(self) -> None:
        """Lets the process close its bags and end."""
        if self._process.is_alive():
            try:
                self._send(None)
                self._receive()
            except (RuntimeError, OSError):
                pass
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()

    def _send(self, message) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise self._died() from error

    def _receive(self):
        try:
            ok, result = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if not ok:
            raise RuntimeError(f"worker process {self._process.pid}: {result}")
        return result

    def _died(self) -> RuntimeError:
        self._process.join(5)
        return RuntimeError(
            f"worker process {self._process.pid} died with exit code {self._process.exitcode}"
        )


def _serve(connection, config: GroupConfig) -> None:
    """The other process: goes on when told to, until told to end or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("OpenGL").setLevel(logging.WARNING)
    group = None
    try:
        group = LocalGroup(config)
        while True:
            message = connection.recv()
            if message is None:
                break
            group.start(*message)
            connection.send((True, group.finish()))
        group.close()
        connection.send((True, None))
    except EOFError:  # the parent died: what is complete stays
        if group is not None:
            group.close()
    except Exception as error:
        logging.getLogger("mtopt.collect").exception("worker")
        connection.send((False, f"{type(error).__name__}: {error}"))
        if group is not None:
            group.close()


def make_groups(config: GroupConfig, processes: int) -> list[Group]:
    """The same robots spread over processes; what they do does not depend on how many.

    Args:
        config: All robots.
        processes: 0 takes one a core; 1 stays in this process.
    """
    processes = processes or len(os.sched_getaffinity(0))
    processes = max(1, min(processes, len(config.lives)))
    if processes == 1:
        return [LocalGroup(config)]
    groups = []
    for i in range(processes):
        lives: Sequence[LifeConfig] = config.lives[i::processes]
        groups.append(RemoteGroup(replace(config, lives=tuple(lives))))
    return groups
