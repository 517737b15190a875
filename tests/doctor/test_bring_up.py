"""`mtopt doctor --robot` where there is no robot; docs/hardware.md's test has one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from mtopt_bringup.doctor.bring_up import BringUp, bring_up
from mtopt_bringup.doctor.mover_node import MoverNode
from mtopt_bringup.ros_visit import RosVisit
from mtopt_control.camera.camera_node import CameraNode
from mtopt_spec.robot import load_robot, robot_folder


def doctor(folder: Path, *arguments: str, answer: str = "") -> tuple[int, dict, str]:
    """Exit code, the written file (its checks by name) and standard error."""
    out = folder / "doctor.json"
    out.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "mtopt_bringup.main", "doctor", *arguments, "--out", str(out)],
        input=answer, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    result = json.loads(out.read_text()) if out.exists() else {"checks": []}
    return done.returncode, {c["name"]: c for c in result["checks"]}, done.stderr


def test_without_a_robot_only_the_folder_is_checked(tmp_path, domain_id):
    code, checks, told = doctor(tmp_path, "--robot", "panda", "--offline")
    assert code == 0 and checks["reachability"]["state"] == "ok"
    assert checks["joint states"]["state"] == checks["motion"]["state"] == "not done"
    code, checks, told = doctor(tmp_path, "--robot", "panda", "--wait", "1")
    assert code == 1 and checks["joint states"]["state"] == "FAIL"
    assert "ROS_DOMAIN_ID" in told and checks["shoulder quality"]["state"] == "not done"
    code, _, told = doctor(tmp_path, "--robot", "no_such_robot", "--offline")
    assert code == 2 and "'iiwa14', 'panda', 'ur5e'" in told


PANDA = load_robot(robot_folder("panda"))
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def joint_state() -> JointState:
    names = [*PANDA.arm_joints, PANDA.finger_joint, PANDA.hinge_joint]
    return JointState(name=names, position=[*PANDA.home_position, 0.02, 0.0])


@pytest.fixture
def driver(domain_id):
    """A driver's node and the thread that runs it; what is added to it runs too."""
    context = Context()
    rclpy.init(context=context, args=[], domain_id=domain_id)
    executor = SingleThreadedExecutor(context=context)
    nodes = []

    def add(node):
        nodes.append(node)
        executor.add_node(node)

    node = Node("driver", context=context, namespace="/robot_1")
    node.add = add
    add(node)
    thread = threading.Thread(target=executor.spin)
    yield node, thread
    executor.shutdown()
    thread.join()
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def test_a_driver_that_the_cells_nodes_do_not_hear_fails_though_the_doctor_hears_it(driver):
    node, thread = driver
    joints = node.create_publisher(JointState, "joint_states", BEST_EFFORT)
    cameras = []
    for name, reliable in (("camera", True), ("wrist_camera", False)):
        cameras.append(node.create_publisher(Image, f"{name}/image_raw", BEST_EFFORT))
        values = {"height_px": 64, "width_px": 64, "reliable": reliable}
        node.add(
            CameraNode(
                context=node.context,
                namespace=f"/robot_1/{name}",
                parameter_overrides=[Parameter(key, value=value) for key, value in values.items()],
            )
        )

    def publish():
        state = joint_state()
        image = Image(height=64, width=64, step=192, encoding="rgb8", data=bytes(64 * 192))
        state.header.stamp = image.header.stamp = node.get_clock().now().to_msg()
        joints.publish(state)
        for camera in cameras:
            camera.publish(image)

    node.create_timer(1 / 30, publish)
    thread.start()
    result = bring_up(BringUp("panda", seconds=1.0, wait_s=20.0), lambda box: False)
    checks = {check["name"]: check for check in result["checks"]}
    assert checks["joint states"]["rate_hz"] > 0 and checks["shoulder pictures"]["rate_hz"] > 0
    assert checks["shoulder pictures"]["state"] == "FAIL"
    told = checks["shoulder pictures"]["detail"]
    assert "/robot_1/camera/camera_node does not hear" in told and "reliable: false" in told
    for name in ("joint states", "wrist pictures"):
        assert "does not hear" not in checks[name]["detail"]


def test_what_the_robot_cannot_work_with_fails(driver, tmp_path):
    """No description, pictures of a foreign encoding, controllers that are not there."""
    node, thread = driver
    folder = tmp_path / "robot"
    shutil.copytree(robot_folder("panda"), folder)
    fields = yaml.safe_load((folder / "robot.yaml").read_text())
    fields["urdf"] = "robot_description"
    fields["gripper"] = {**fields["gripper"], "command": "position", "topic": "hand/commands"}
    (folder / "robot.yaml").write_text(yaml.safe_dump(fields))
    joints = node.create_publisher(JointState, "joint_states", 10)
    camera = node.create_publisher(Image, "camera/image_raw", 10)
    node.create_subscription(JointTrajectory, PANDA.trajectory_topic, lambda message: None, 10)

    def publish():
        state, stamp = joint_state(), node.get_clock().now().to_msg()
        image = Image(height=64, width=64, step=128, encoding="yuv422_yuy2", data=bytes(64 * 128))
        state.header.stamp = image.header.stamp = stamp
        joints.publish(state)
        camera.publish(image)

    node.create_timer(1 / 30, publish)
    thread.start()
    result = bring_up(BringUp(str(folder), seconds=1.0, wait_s=5.0), lambda box: False)
    checks = {check["name"]: check for check in result["checks"]}
    for name, told in (
        ("description", "nothing on /robot_1/robot_description"),
        ("controllers", "nobody hears /robot_1/hand/commands"),
        ("shoulder quality", "yuv422_yuy2"),
    ):
        assert checks[name]["state"] == "FAIL" and told in checks[name]["detail"], checks[name]
    assert PANDA.trajectory_topic not in checks["controllers"]["detail"]


def test_the_motions_judge_hears_joint_states_of_a_driver_that_publishes_best_effort(driver):
    node, thread = driver
    joints = node.create_publisher(JointState, "joint_states", BEST_EFFORT)
    node.create_timer(0.02, lambda: joints.publish(joint_state()))
    thread.start()
    with RosVisit(lambda c: MoverNode("robot_1", PANDA, context=c)) as visit:
        assert visit.until(lambda: len(visit.node.followed().states) > 3, 20.0)
