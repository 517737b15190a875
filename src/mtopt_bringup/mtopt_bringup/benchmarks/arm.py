"""`mtopt benchmark arm`: how soon the arm node answers, how well it follows, how soon it stops."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mtopt_bringup.number_types import nonnegative_int, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "--actions", type=positive_int, default=500, help="that the arm node is asked for"
    )
    parser.add_argument("--steps", type=positive_int, default=300, help="of the arm in MuJoCo")
    parser.add_argument(
        "--stops", type=positive_int, default=20, help="of robots of a running cell"
    )
    parser.add_argument("--robots", type=positive_int, default=7, help="of that cell")
    parser.add_argument(
        "--load", type=nonnegative_int, default=2, help="processes that do nothing but work"
    )
    parser.add_argument("--seed", type=nonnegative_int, default=0)


def run(arguments: argparse.Namespace) -> dict:
    """Measures all three.

    Returns:
        `latency`: ms from an action to its trajectory, over ROS, between two processes, with
        `load` processes that keep cores busy; `tracking`: distance of the measured tool from where
        the trajectory of a step ends, at its end, clear of objects; `stop`: ms from a call of
        arm/stop to the answer that the arm brakes, and to the set point's rest, in a free-running
        cell under the same load. Each as median, 99th percentile and largest.
    """
    from mtopt_bringup.benchmarks.arm_latency import latency_ms
    from mtopt_bringup.benchmarks.arm_stops import stops_ms

    with _load(arguments.load):
        answered_ms = latency_ms(arguments.actions, arguments.seed)
        hold_ms, rest_ms = stops_ms(arguments.robots, arguments.stops, arguments.seed)
    distance_mm, angle_deg = _tracking(arguments.steps, arguments.seed)
    return {
        "latency_ms": _spread(answered_ms),
        "stop_to_hold_ms": _spread(hold_ms),
        "stop_to_rest_ms": _spread(rest_ms),
        "tracking_mm": _spread(distance_mm),
        "tracking_deg": _spread(angle_deg),
        "load": arguments.load,
    }


def _spread(values) -> dict[str, float]:
    return {
        "count": len(values),
        "median": round(float(np.median(values)), 3),
        "p99": round(float(np.percentile(values, 99)), 3),
        "max": round(float(np.max(values)), 3),
    }


def _work() -> None:
    os.setsid()  # Linux shares processors among sessions: this one is not to take our own share
    while True:
        sum(range(10_000))


@contextmanager
def _load(count: int) -> Iterator[None]:
    processes = [
        multiprocessing.get_context("spawn").Process(target=_work, daemon=True)
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _tracking(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances, mm, and angles, degrees, of the measured tool from where each step ends."""
    from mtopt_control.arm.arm_core import ArmCore
    from mtopt_control.arm.kinematics import read_urdf, robot_kinematics
    from mtopt_sim.station import Station
    from mtopt_spec.action import CONTROL_PERIOD_S, MAX_AZIMUTH_RAD, MAX_TRANSLATION_M, Action
    from mtopt_spec.robot import load_robot, worlds_robot_folder

    robot = load_robot(worlds_robot_folder())
    urdf = read_urdf(robot.urdf)
    arm, station = ArmCore(robot, urdf), Station()
    station.reset(seed, objects=())
    fk = robot_kinematics(robot, urdf)
    random, errors = np.random.default_rng(seed), []
    now_s, state = 0.0, station.joint_state(0.0)
    order = [state.names.index(name) for name in robot.arm_joints]
    while len(errors) < steps:
        way = random.uniform(-1.0, 1.0, 4) * ([MAX_TRANSLATION_M] * 3 + [MAX_AZIMUTH_RAD])
        action = Action(translation_m=tuple(way[:3].tolist()), azimuth_rad=float(way[3]))
        sent, trajectory = arm.step(action, state, now_s)
        station.command_trajectory(trajectory.positions, trajectory.velocities, trajectory.times_s)
        station.advance(CONTROL_PERIOD_S)
        now_s += CONTROL_PERIOD_S
        state = station.joint_state(now_s)
        wanted, place = fk.tool(sent.target_position[:-1])
        got, at = fk.tool(state.position[order])
        cosine = (np.trace(wanted.T @ got) - 1.0) / 2.0
        errors.append((1e3 * np.linalg.norm(at - place), np.degrees(np.arccos(min(cosine, 1.0)))))
    return tuple(np.array(errors).T)
