"""A cell in one node: it answers what robots ask and moves time on when they have acted."""

from __future__ import annotations

import numpy as np
from cell_robot import ROBOT
from geometry_msgs.msg import Point, Pose
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory

from mtopt_msgs.msg import (
    ActionSent,
    EpisodeBegin,
    EpisodeEnd,
    EpisodeRecorded,
    SceneTruth,
    TaskLabel,
)
from mtopt_msgs.srv import AssignTask, ChooseAction, LabelSuccess, NewScene
from mtopt_spec import ros_messages

DEEP = QoSProfile(depth=20)


class FakeCell(Node):
    """One robot's joints and cameras, a policy that lifts and ends, a recorder that agrees."""

    def __init__(self, *, context, episodes=2, terminate_at=2):
        super().__init__("fake_cell", context=context, namespace="")
        self.episodes = episodes
        self.terminate_at = terminate_at
        self.tick = 0
        self.position = np.array([*ROBOT.home_position, 0.05])
        self.hinge = self.hinge_goal = 0.0
        self.hinges, self.trajectories, self.sent = [], [], []
        self.begins, self.ends, self.asked, self.scenes, self.choices = [], [], [], [], []
        self.recorded = True
        self.labelled = []
        self.can_m = (0.0, 0.0, 0.0)
        self.assigned_goal = None
        self.policy_error = 0
        self.encoding = "rgb8"
        self.reset_bin = False
        self._joints = self.create_publisher(JointState, "/robot_1/joint_states", DEEP)
        self._images = {
            name: self.create_publisher(Image, f"/robot_1/{name}/image_raw", DEEP)
            for name in ("camera", "wrist_camera")
        }
        self._scenes = self.create_publisher(SceneTruth, "/truth/robot_1/scene", DEEP)
        self._recorded = self.create_publisher(EpisodeRecorded, "/robot_1/episode/recorded", DEEP)
        for kind, topic, take in (
            (JointTrajectory, "joint_trajectory", self._on_trajectory),
            (Float64, "bin/hinge_position_command", self._on_hinge),
            (ActionSent, "action/sent", self.sent.append),
            (EpisodeBegin, "episode/begin", self.begins.append),
            (EpisodeEnd, "episode/end", self._on_end),
        ):
            self.create_subscription(kind, f"/robot_1/{topic}", take, DEEP)
        from sensor_msgs.msg import CompressedImage

        from mtopt_msgs.msg import ActionCommanded, ToolState

        for kind, topic in (
            (ToolState, "tool_state"),
            (ActionCommanded, "action/commanded"),
            (CompressedImage, "camera/image/compressed"),
            (CompressedImage, "wrist_camera/image/compressed"),
        ):  # as a recorder would
            self.create_subscription(kind, f"/robot_1/{topic}", lambda message: None, DEEP)
        service = self.create_service(ChooseAction, "/choose_action", self._choose)
        self.answers_lost = 0
        send = service.send_response

        def send_or_lose(response, header):
            self.answers_lost -= 1
            if self.answers_lost < 0:
                send(response, header)

        service.send_response = send_or_lose
        self.create_service(AssignTask, "/assign_task", self._assign)
        self.create_service(LabelSuccess, "/truth/label_success", self._label)
        self.create_service(NewScene, "/simulator/new_scene", self._scene)

    def show(self):
        """Publishes the present tick."""
        stamp = ros_messages.to_time(0.2 * self.tick)
        state = JointState(
            name=[ROBOT.hinge_joint, *ROBOT.arm_joints, ROBOT.finger_joint],
            position=[self.hinge, *self.position],
        )
        state.header.stamp = stamp
        scene = SceneTruth(object_names=["box", "can"], poses=[Pose(), Pose()])
        scene.poses[1].position = Point(**dict(zip("xyz", self.can_m)))
        self._scenes.publish(scene)
        self._joints.publish(state)
        for name, size in (("camera", 64), ("wrist_camera", 32)):
            image = Image(height=size, width=size, step=3 * size, encoding=self.encoding)
            image.data = bytes(3 * size * size)
            image.header.stamp = stamp
            image.header.frame_id = f"robot_1/{name}"
            self._images[name].publish(image)

    def _on_trajectory(self, message):
        self.trajectories.append(message)
        self.position = np.array(message.points[-1].positions)
        self.hinge += float(np.clip(self.hinge_goal - self.hinge, -0.15, 0.15))
        self.tick += 1
        self.show()

    def _on_hinge(self, message):
        self.hinges.append(message.data)
        self.hinge_goal = message.data

    def _on_end(self, message):
        self.ends.append(message)
        self._recorded.publish(
            EpisodeRecorded(episode_id=message.episode_id, recorded=self.recorded)
        )

    def _choose(self, request, response):
        self.choices.append(request)
        response.action.translation_m.z = -0.02
        response.action.azimuth_cos = 1.0
        response.action.terminate = request.step_index == self.terminate_at
        response.error_code = self.policy_error
        return response

    def _assign(self, request, response):
        self.asked.append(request)
        response.finished = len(self.ends) >= self.episodes
        response.task, response.policy = "lift-any", "scripted_pick"
        response.reset_bin = self.reset_bin
        response.new_scene = len(self.asked) == 1
        response.seed = 5 + len(self.asked)
        if self.assigned_goal is not None:
            response.task, response.goal = "reach-goal", self.assigned_goal
        return response

    def _label(self, request, response):
        self.labelled.append(request)
        names = ["lift-any"] + ["reach-goal"] * request.goal.has_truth
        response.labels = [
            TaskLabel(task=name, success=True, probability=1.0, source="simulator")
            for name in names
        ]
        return response

    def _scene(self, request, response):
        self.scenes.append(request.seed)
        response.done, response.objects = True, ["can", "box"]
        return response
