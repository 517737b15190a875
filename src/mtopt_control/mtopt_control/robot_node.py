"""One robot in one process: its cameras, arm, bin reset and episode in one executor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtopt_control.arm.arm_node import ArmNode
from mtopt_control.bin_reset.bin_reset_node import BinResetNode
from mtopt_control.camera.camera_node import CameraNode
from mtopt_control.episode.episode_node import EpisodeNode
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.ros_parameters import declare, robot_of
from mtopt_spec.ros_run import run


@dataclass(frozen=True)
class RobotParameters:
    """Parameters of robot_node.

    Attributes:
        camera_names: Cameras that get a camera_node.
        exit_when_finished: End the process once the scheduler has no more tasks.
    """

    camera_names: tuple[str, ...] = ("shoulder", "wrist")
    exit_when_finished: bool = True


class RobotNode(Node):
    """Says what a robot is made of; the parts do the work."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "robot_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        self.parameters = declare(self, RobotParameters)
        self.robot = robot_of(self)


class Robot:
    """The nodes of one robot.

    Args:
        context: Of all of them.
        parameter_overrides: For all of them; each takes those that it declares.
        arguments: The process's own, with `-r __ns:=/<robot>` and parameter files.
    """

    def __init__(
        self,
        context: Context,
        parameter_overrides: Sequence[Parameter] = (),
        arguments: Sequence[str] = (),
    ):
        options = {"context": context, "parameter_overrides": list(parameter_overrides)}
        own = RobotNode(cli_args=list(arguments), use_global_arguments=False, **options)
        # a camera has a namespace of its own below the robot's, which __ns would put aside
        options.update(cli_args=_without_namespace(arguments), use_global_arguments=False)
        self.nodes: list[Node] = [own]
        self._exit_when_finished = own.parameters.exit_when_finished
        for name in own.parameters.camera_names:
            below = f"/{own.robot}/{CAMERA_NAMESPACES.get(name, name)}"
            self.nodes.append(CameraNode(namespace=below, **options))
        for part in (ArmNode, BinResetNode):
            self.nodes.append(part(namespace=f"/{own.robot}", **options))
        self.episode = EpisodeNode(namespace=f"/{own.robot}", **options)
        self.nodes.append(self.episode)

    def finished(self) -> bool:
        """True once the process may end."""
        return self._exit_when_finished and self.episode.finished


def _without_namespace(arguments: Sequence[str]) -> list[str]:
    """The arguments without `-r __ns:=...`."""
    kept: list[str] = []
    for argument in arguments:
        if argument.startswith("__ns:="):
            kept.pop()
        else:
            kept.append(argument)
    return kept


def main() -> int:
    """Runs the robot until it is stopped or, if asked to, finished."""
    robots: list[Robot] = []

    def make(context: Context) -> list[Node]:
        robots.append(Robot(context, arguments=sys.argv[1:]))
        return robots[0].nodes

    return run(make, lambda: robots[0].finished())


if __name__ == "__main__":
    raise SystemExit(main())
