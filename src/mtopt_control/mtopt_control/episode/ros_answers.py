"""The shared services as an episode asks them: one question at a time, never waiting."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from mtopt_control.episode.requests import AskTask, CellFault, Choose, Judge, LabelByTruth
from mtopt_msgs.srv import AssignTask, ChooseAction, JudgeSuccess, LabelSuccess
from mtopt_msgs.srv import NewScene as NewSceneService
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Fault


class SharedServices:
    """Clients of the policy, the detector, the scheduler and the simulator.

    Args:
        node: Gets the clients.
        robot: Who asks.
        scheduler: A scheduler is asked for tasks.
        detector: A success detector judges.
        simulator: A simulator gives labels and new scenes.
    """

    def __init__(self, node: Node, robot: str, *, scheduler: bool, detector: bool, simulator: bool):
        self._robot = robot
        self._open = None
        self._choose = node.create_client(ChooseAction, "/choose_action")
        self._assign = node.create_client(AssignTask, "/assign_task")
        self._judge = node.create_client(JudgeSuccess, "/judge_success") if detector else None
        self._label = self._scene = None
        if simulator:
            self._label = node.create_client(LabelSuccess, "/truth/label_success")
            self._scene = node.create_client(NewSceneService, "/simulator/new_scene")
        clients = [self._choose, self._judge, self._label, self._scene]
        self._needed = [c for c in (*clients, self._assign if scheduler else None) if c is not None]

    def missing(self) -> list[str]:
        """Names of the services that are not there yet."""
        return [client.srv_name for client in self._needed if not client.service_is_ready()]

    def ask(
        self, request, on_answer: Callable[[object], None], on_fault: Callable[[CellFault], None]
    ) -> bool:
        """Asks the service that a request is for.

        Args:
            request: Of `episode.requests`.
            on_answer: Gets the answer, later.
            on_fault: Gets what the service says instead of an answer, later.

        Returns:
            False where no service is there for it on this cell: the answer is then empty.
        """
        if isinstance(request, Choose):
            message = ros_messages.to_choose_request(request.request)
            client, read = self._choose, ros_messages.from_choose_response
        elif isinstance(request, AskTask):
            message = ros_messages.to_assign_request(request.request)
            client, read = self._assign, ros_messages.from_assign_response
        elif isinstance(request, Judge):
            message = ros_messages.to_judge_request(
                self._robot, request.episode_id, request.observation
            )
            client, read = self._judge, _read_judgement
        elif isinstance(request, LabelByTruth):
            message = LabelSuccess.Request(
                robot=self._robot,
                gripper_closed=request.observation.gripper_closed,
                goal=ros_messages.to_goal(request.goal),
            )
            client, read = self._label, _read_labels
        else:
            message = NewSceneService.Request(robot=self._robot, seed=request.seed)
            client, read = self._scene, _read_scene
        if client is None:
            return False

        def deliver(future) -> None:
            if future.cancelled():
                return
            if self._open is question:
                self._open = None
            try:
                answer = read(future.result())
            except CellFault as fault:
                on_fault(fault)
            except InputError as error:
                on_fault(CellFault(FAULT_OF.get(type(request), Fault.INTERRUPTED), str(error)))
            else:
                on_answer(answer)

        question = self._open = (client, message, deliver)
        client.call_async(message).add_done_callback(deliver)
        return True

    def ask_again(self) -> None:
        """Repeats the question that is open.

        A service's answer is lost where its side has not yet found this client, which can happen
        in the first moments. All services answer the same question the same way.
        """
        if self._open is not None:
            client, message, deliver = self._open
            client.call_async(message).add_done_callback(deliver)


def _read_judgement(response: JudgeSuccess.Response) -> list:
    if response.error_code:
        raise CellFault(Fault.JUDGE, f"error {response.error_code}: {response.error_msg}")
    return [ros_messages.from_label(label) for label in response.labels]


def _read_labels(response: LabelSuccess.Response) -> list:
    return [ros_messages.from_label(label) for label in response.labels]


def _read_scene(response: NewSceneService.Response) -> tuple[str, ...]:
    if not response.done:
        raise CellFault(Fault.INTERRUPTED, f"no new scene: {response.error_msg}")
    return tuple(response.objects)


FAULT_OF = {Choose: Fault.POLICY, Judge: Fault.JUDGE, LabelByTruth: Fault.JUDGE}
"""What it means when a question gets no answer in time; others: interrupted."""
