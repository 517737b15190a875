"""The task scheduler as a node: a service that gives out tasks, statistics for all to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from mtopt_control.arm.cell_stop_node import CellStopNode
from mtopt_control.schedule.schedule_config import ScheduleConfig
from mtopt_control.schedule.scheduler import TaskScheduler
from mtopt_msgs.msg import TaskStatistic, TaskStatistics
from mtopt_msgs.srv import AssignTask
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run
from mtopt_spec.task import load_tasks


@dataclass(frozen=True)
class SchedulerParameters:
    """Parameters of task_scheduler_node: where the tasks are, and the fields of ScheduleConfig.

    Attributes:
        tasks_file: Absolute or below the installed params/.
    """

    DESCRIBED_BY: ClassVar[type] = ScheduleConfig

    robots: tuple[str, ...]
    tasks_file: str = "tasks.yaml"
    episodes: int = 0
    tasks: tuple[str, ...] = ()
    mode: str = ScheduleConfig.mode
    policy: str = ScheduleConfig.policy
    bootstrap_fraction: float = ScheduleConfig.bootstrap_fraction
    seed: int = 0
    min_successes: int = ScheduleConfig.min_successes
    weight_floor: float = ScheduleConfig.weight_floor
    simulated: bool = False
    episodes_per_scene: int = ScheduleConfig.episodes_per_scene
    reset_new_scene: bool = ScheduleConfig.reset_new_scene
    failed_lifts_before_reset: int = ScheduleConfig.failed_lifts_before_reset
    prepare_task: str = ScheduleConfig.prepare_task
    robot_timeout_s: float = ScheduleConfig.robot_timeout_s
    max_void_in_row: int = ScheduleConfig.max_void_in_row

    def config(self) -> ScheduleConfig:
        """What the core takes."""
        return ScheduleConfig(
            **{name: getattr(self, name) for name in ScheduleConfig.__dataclass_fields__}
        )


class TaskSchedulerNode(Node):
    """Serves /assign_task and publishes /task_statistics."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "task_scheduler_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        parameters = declare(self, SchedulerParameters)
        self._scheduler = TaskScheduler(
            parameters.config(), load_tasks(installed(parameters.tasks_file, "params"))
        )
        self._gave_up = False
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._statistics = self.create_publisher(TaskStatistics, "/task_statistics", latched)
        self.create_service(AssignTask, "/assign_task", self._on_request)
        self._publish(AssignTask.Request())

    def _on_request(
        self, request: AssignTask.Request, response: AssignTask.Response
    ) -> AssignTask.Response:
        try:
            assignment = self._scheduler.assign(ros_messages.from_assign_request(request))
        except InputError as error:
            self.get_logger().error(str(error))
            response.finished = True
            return response
        if self._scheduler.gave_up and not self._gave_up:
            self._gave_up = True
            self.get_logger().error("too many void episodes in a row: no more tasks are given out")
        self._publish(request)
        return ros_messages.to_assign_response(assignment)

    def _publish(self, request: AssignTask.Request) -> None:
        weights = self._scheduler.weights()
        self._statistics.publish(
            TaskStatistics(
                header=request.header,
                tasks=[
                    TaskStatistic(
                        task=name,
                        attempts=record.attempts,
                        successes=record.successes,
                        void_episodes=record.void_episodes,
                        recent_success_rate=record.recent_success_rate,
                        weight=weights[name],
                    )
                    for name, record in self._scheduler.records_so_far().items()
                ],
            )
        )


def main() -> int:
    """Runs the node until it is stopped, and the cell's stop service beside it."""
    return run(lambda context: [TaskSchedulerNode(context=context), CellStopNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
