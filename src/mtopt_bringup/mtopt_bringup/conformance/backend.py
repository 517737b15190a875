"""The simulators that the suite knows: how each is started, and how near to exact it must be."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.graph import simulator_graph
from mtopt_bringup.processes import process_specs
from mtopt_bringup.supervisor import ProcessSpec, Role, Supervisor
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir

NAMES = ("mujoco", "gazebo")
_GAZEBO_PACKAGES = {
    "ros_gz_sim": "ros-jazzy-ros-gz",
    "ros_gz_bridge": "ros-jazzy-ros-gz",
    "ros_gz_interfaces": "ros-jazzy-ros-gz",
    "rclcpp_components": "ros-jazzy-rclcpp-components",
}
_GAZEBO_PROGRAMS = {"gz": "gz-harmonic", "ros2": "ros-jazzy-ros2launch"}


@dataclass(frozen=True)
class Backend:
    """A simulator, and what is asked of it.

    Attributes:
        name: One of `NAMES`.
        lockstep: Time waits for the robot.
        settle_s: Simulated time from a trajectory's end until the arm must be there.
        tracking_rad, tracking_m: Of arm joints and of the finger, there.
        same_rad: Difference of joint positions between two runs of one seed; 0: to the bit.
        same_grey: Mean difference of their pictures, of 255; 0: to the bit.
        drop_s: Simulated time in which a new scene's objects come to rest.
        start_s: Wall time until the first readings.
    """

    name: str
    lockstep: bool
    settle_s: float
    tracking_rad: float
    tracking_m: float
    same_rad: float
    same_grey: float
    drop_s: float
    start_s: float

    def options(self, out: str) -> CellOptions:
        """The one-robot cell whose simulator is checked; same robot, same world for both."""
        return CellOptions(
            robots=1, sim=self.name, lockstep=self.lockstep, world="one_station.sdf", out=out,
            run="doctor",
        )  # fmt: skip

    def missing(self) -> list[str]:
        """What this machine lacks for it, in words."""
        if self.name == "mujoco":
            return []
        found = [
            f"{program} (apt install {package})"
            for program, package in _GAZEBO_PROGRAMS.items()
            if shutil.which(program) is None
        ]
        for package, source in _GAZEBO_PACKAGES.items():
            try:
                share_dir(package)
            except InputError:
                found.append(f"package {package} (apt install {source})")
        if importlib.util.find_spec("launch_ros") is None:
            found.append("launch_ros (apt install ros-jazzy-launch-ros)")
        return found

    def processes(self, folder: Path) -> list[ProcessSpec]:
        """The simulator's side of the node graph; by `ros2 launch` where it has components."""
        options = self.options(str(folder))
        graph = simulator_graph(options)
        if not any(process.components for process in graph):
            return process_specs(graph, folder / "params")
        chosen = {"sim": options.sim, "robots": options.robots, "world": options.world}
        chosen |= {"out": options.out, "run": options.run}
        launch = share_dir() / "launch" / "simulator.launch.py"
        arguments = [f"{name}:={value}" for name, value in chosen.items()]
        argv = ("ros2", "launch", str(launch), *arguments)
        return [ProcessSpec("simulator", argv, Role.ESSENTIAL)]


MUJOCO = Backend("mujoco", True, 0.0, 0.005, 0.002, 0.0, 0.0, 0.0, start_s=60.0)
GAZEBO = Backend("gazebo", False, 0.12, 0.03, 0.003, 0.01, 4.0, 2.0, start_s=120.0)
"""Tracking as in docs/gazebo.md, once the arm has come to rest."""
BACKENDS = {backend.name: backend for backend in (MUJOCO, GAZEBO)}


@contextmanager
def running(
    backend: Backend, folder: Path, environment: dict[str, str]
) -> Iterator[Callable[[], str]]:
    """Starts a backend's processes; ends them at the end.

    Gives a function that says why they have ended, '' while they run.

    Args:
        backend: Which one.
        folder: For logs and parameters.
        environment: With the ROS domain.
    """
    sys.stderr.write(f"starting {backend.name}; logs in {folder}\n")
    with Supervisor(backend.processes(folder), folder, environment) as supervisor:

        def failure() -> str:
            supervisor.poll()
            return supervisor.failure

        yield failure
