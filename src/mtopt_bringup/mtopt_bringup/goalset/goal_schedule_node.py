"""The goal schedule as a node: in place of the task scheduler, where a cell is to reach goals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from mtopt_bringup.goalset.goal_set import GoalSet, read_goal_set
from mtopt_control.arm.cell_stop_node import CellStopNode
from mtopt_learning.evaluate.goal_schedule import AnsweredOnce, GoalJob, GoalSchedule
from mtopt_learning.policy.scripted_pick import CLEAN_PICK
from mtopt_msgs.srv import AssignTask
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run
from mtopt_spec.task import load_tasks


@dataclass(frozen=True)
class GoalScheduleParameters:
    """Parameters of goal_schedule_node.

    Attributes:
        robots: Names of the cell's robots. Required.
        goals: Folder of goals that have a scene. Required.
        policy: That is to reach them.
        tasks_file: Absolute or below the installed params/.
    """

    robots: tuple[str, ...]
    goals: str
    policy: str = "qfunction"
    tasks_file: str = "tasks.yaml"


class GoalScheduleNode(Node):
    """Serves /assign_task with the goals of a folder, each once."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "goal_schedule_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        p = declare(self, GoalScheduleParameters)
        self._schedule = AnsweredOnce(
            GoalSchedule(
                goal_jobs(read_goal_set(Path(p.goals))), p.robots,
                load_tasks(installed(p.tasks_file, "params")), p.policy, CLEAN_PICK,
            )
        )  # fmt: skip
        self.create_service(AssignTask, "/assign_task", self._on_request)

    def _on_request(
        self, request: AssignTask.Request, response: AssignTask.Response
    ) -> AssignTask.Response:
        try:
            assignment = self._schedule.assign(ros_messages.from_assign_request(request))
        except (InputError, KeyError) as error:
            self.get_logger().error(f"{error}")
            response.finished = True
            return response
        return ros_messages.to_assign_response(assignment)


def goal_jobs(goals: GoalSet) -> list[GoalJob]:
    """A job a goal.

    Raises:
        InputError: The goals have no scene.
    """
    goals.world_file()
    return [GoalJob(n, shown.scene_seed, shown.goal) for n, shown in enumerate(goals.goals)]


def main() -> int:
    """Runs the node until it is stopped, and the cell's stop service beside it."""
    return run(lambda context: [GoalScheduleNode(context=context), CellStopNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
