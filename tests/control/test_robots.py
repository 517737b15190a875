"""Each shipped robot: its folder, and its arm_node as a process before its controllers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
import yaml
from builtin_interfaces.msg import Time
from cell_robot import ROOT
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header
from trajectory_msgs.msg import JointTrajectory

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf
from mtopt_control.arm.outputs import controller_trajectories, finger_joint, finger_way_m
from mtopt_control.arm.ros_outputs import ControllerOutputs
from mtopt_control.arm.trajectory import Trajectory
from mtopt_msgs.msg import ActionCommanded, ActionSent, ToolState
from mtopt_spec import ros_messages
from mtopt_spec.action import Action, Kind
from mtopt_spec.errors import InputError
from mtopt_spec.robot import load_robot

ROBOTS = ROOT / "params" / "robots"
NAMES = sorted(path.parent.name for path in ROBOTS.glob("*/robot.yaml"))
GRIPPER_COMMAND = """float64 position
float64 max_effort
---
float64 position
float64 effort
bool stalled
bool reached_goal
---
float64 position
float64 effort
bool stalled
bool reached_goal
"""


def changed(folder: Path, name: str, **fields) -> Path:
    """A copy of a shipped robot with other fields."""
    shutil.copytree(ROBOTS / name, folder)
    data = yaml.safe_load((folder / "robot.yaml").read_text())
    (folder / "robot.yaml").write_text(yaml.safe_dump({**data, **fields}))
    return folder


@pytest.fixture(scope="session")
def control_msgs(tmp_path_factory) -> dict[str, str]:
    """Paths to control_msgs/GripperCommand: none where it is installed, else built by rosidl."""
    try:
        import control_msgs.action  # noqa: F401

        return {}
    except ImportError:
        pass
    work = tmp_path_factory.mktemp("control_msgs")
    package = work / "src" / "control_msgs"
    (package / "action").mkdir(parents=True)
    (package / "msg").mkdir()
    text = GRIPPER_COMMAND.split("---", 1)
    (package / "msg" / "GripperCommand.msg").write_text(text[0])
    (package / "action" / "GripperCommand.action").write_text(
        "control_msgs/GripperCommand command\n---" + text[1]
    )
    manifest = (ROOT / "src/mtopt_msgs/package.xml").read_text()
    (package / "package.xml").write_text(manifest.replace("mtopt_msgs", "control_msgs"))
    (package / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(control_msgs)\n"
        "find_package(ament_cmake REQUIRED)\nfind_package(rosidl_default_generators REQUIRED)\n"
        'rosidl_generate_interfaces(control_msgs "msg/GripperCommand.msg"'
        ' "action/GripperCommand.action")\nament_package()\n'
    )
    done = subprocess.run(
        [
            sys.executable, "-m", "colcon", "--log-level", "error", "build", "--merge-install",
            "--base-paths", "src", "--cmake-args", "-DBUILD_TESTING=OFF",
            f"-DPython3_EXECUTABLE={sys.executable}",
        ],
        cwd=work, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    install = work / "install"
    site = next(install.glob("lib/python3*/site-packages"))
    paths = {
        "AMENT_PREFIX_PATH": install, "LD_LIBRARY_PATH": install / "lib", "PYTHONPATH": site,
    }  # fmt: skip
    return {name: f"{path}{os.pathsep}{os.environ.get(name, '')}" for name, path in paths.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_robot_is_whole_and_agrees_with_its_description(name):
    robot = load_robot(ROBOTS / name)
    assert robot.name == name
    ArmCore(robot, read_urdf(Path(robot.urdf)))


def test_the_shipped_robots():
    assert NAMES == ["iiwa14", "panda", "ur5e"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "field", ["max_velocity", "max_acceleration", "max_jerk", "workspace_low_m", "gripper"]
)
def test_a_missing_limit_stops_the_start(tmp_path, name, field):
    folder = changed(tmp_path / "robot", name)
    data = yaml.safe_load((folder / "robot.yaml").read_text())
    del data[field]
    (folder / "robot.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match=field):
        load_robot(folder)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"urdf": "package://no_such_package/x.urdf"}, "no_such_package"),
        ({"gripper": {"command": "wish"}}, "joint_open"),
        ({"trajectory_topic": "franka_gripper/gripper_action"}, "topic"),
        ({"cameras": {"shoulder": {"info": "x.yaml", "parent": "bin", "pose": [0] * 7}}}, "pose"),
        ({"finger_closed_m": 0.04}, "finger"),
        ({"max_velocity": 2.0}, "max_velocity"),
        ({"max_jerk": ["low"] * 7}, "max_jerk"),
        # with these nothing would ever be too old
        ({"max_state_age_s": float("inf")}, "max_state_age_s"),
        ({"max_state_age_s": "0.1 s"}, "max_state_age_s"),
        ({"tool_offset": [0, 0, 0]}, "tool_offset"),
        ({"home_height_m": float("nan")}, "home_height_m"),
        ({"workspace_high_m": [0.1, 0.4]}, "workspace_high_m"),
        ({"bin_reset": []}, "bin_reset"),
        ({"bin_reset": [[0.75, 1.2]]}, "bin_reset"),
        ({"cameras": ["shoulder"]}, "cameras"),
    ],
)
def test_a_folder_with_a_flaw_is_refused(tmp_path, fields, word):
    with pytest.raises(InputError, match=word):
        load_robot(changed(tmp_path / "robot", "panda", **fields))


def test_what_the_controllers_get(tmp_path):
    ur5e = load_robot(ROBOTS / "ur5e")
    names = (*ur5e.arm_joints, ur5e.finger_joint)
    motion = Trajectory(
        names, np.arange(7.0)[None] / 100, np.arange(7.0)[None] / 10, np.array([0.2])
    )
    (topic, arm), = controller_trajectories(ur5e, motion).items()  # fmt: skip
    assert topic == "scaled_joint_trajectory_controller/joint_trajectory"
    assert arm.joint_names == ur5e.arm_joints and arm.positions.shape == (1, 6)
    own = {**vars(ur5e.gripper), "command": "trajectory", "topic": "grip/joint_trajectory"}
    separate = load_robot(changed(tmp_path / "robot", "ur5e", gripper=own))
    finger = controller_trajectories(separate, motion)["grip/joint_trajectory"]
    assert finger.joint_names == (ur5e.finger_joint,)
    # 60 of 42.5 mm open: linear beyond the ends; the knuckle turns 0.8 rad for the whole way
    np.testing.assert_allclose(finger.positions, [[0.8 - 0.06 * 0.8 / 0.0425]])
    np.testing.assert_allclose(finger.velocities, [[-0.6 * 0.8 / 0.0425]])
    for way_m in (0.0, 0.01, 0.0425):
        assert finger_way_m(ur5e, finger_joint(ur5e, way_m)) == pytest.approx(way_m)
    iiwa = load_robot(ROBOTS / "iiwa14")
    motion = Trajectory(
        (*iiwa.arm_joints, iiwa.finger_joint),
        np.random.default_rng(0).random((3, 8)), np.ones((3, 8)), np.arange(3.0),
    )  # fmt: skip
    (topic, same), = controller_trajectories(iiwa, motion).items()  # fmt: skip
    assert topic == "joint_trajectory"
    np.testing.assert_array_equal(same.positions, motion.positions)  # to the last bit


def test_a_gripper_is_told_once_and_not_before_somebody_asked(spinner, tmp_path):
    panda = load_robot(ROBOTS / "panda")
    position = {**vars(panda.gripper), "command": "position", "topic": "hand/commands"}
    robot = load_robot(changed(tmp_path / "robot", "panda", gripper=position))
    node = spinner.add(Node("arm", context=spinner.context))
    outputs, told = ControllerOutputs(node, robot), []
    node.create_subscription(Float64MultiArray, "hand/commands", lambda m: told.append(*m.data), 20)
    spinner.until(lambda: node.count_subscribers("hand/commands"))
    still = np.append(robot.home_position, 0.01)[None]
    names = (*robot.arm_joints, robot.finger_joint)
    motion = Trajectory(names, still, np.zeros_like(still), np.array([0.2]))
    for closed in (None, True, True, None, False):
        outputs.send(motion, closed, Time())
    spinner.until(lambda: len(told) >= 2)
    assert told == [robot.gripper.joint_closed, robot.gripper.joint_open]
    outputs.forget_gripper()  # its driver may have been started again
    outputs.send(motion, False, Time())
    spinner.until(lambda: len(told) == 3)
    assert told[2] == robot.gripper.joint_open


def test_each_robot_moves_through_its_own_controllers(spinner, domain_id, tmp_path, control_msgs):
    """arm_node as a process a robot; the controllers as another process; DDS in between."""
    panda = load_robot(ROBOTS / "panda")
    position = {**vars(panda.gripper), "command": "position", "topic": "hand/commands"}
    busy = {"max_state_age_s": 1.0}  # this machine does more than control an arm
    described = {"urdf": "robot_description", "gripper": position}
    folders = {
        "robot_1": changed(tmp_path / "1", "iiwa14", **busy),
        "robot_2": changed(tmp_path / "2", "ur5e", **busy),
        "robot_3": changed(tmp_path / "3", "panda", **busy),
        "robot_4": changed(tmp_path / "4", "panda", **busy, **described),
    }
    pairs = [f"{name}={folder}" for name, folder in folders.items()]
    commands = [[str(Path(__file__).with_name("follower_node.py")), *pairs]]
    for name, folder in folders.items():
        commands.append(
            [
                "-m", "mtopt_control.arm.arm_node", "--ros-args", "-r", f"__ns:=/{name}",
                "--params-file", str(ROOT / "params/arm_node.yaml"), "-p", f"robot_file:={folder}",
            ]
        )  # fmt: skip
    processes = [
        subprocess.Popen([sys.executable, *command], env={**os.environ, **control_msgs})
        for command in commands
    ]
    try:
        probes = {name: Probe(spinner, name, load_robot(path)) for name, path in folders.items()}
        spinner.until(lambda: all(p.ready() for p in probes.values()), 60)
        for probe in probes.values():
            probe.begin()
        spinner.until(lambda: all(p.act() for p in probes.values()), 60)
        spinner.until(lambda: all(p.closed() for p in probes.values()), 30)
        for probe in probes.values():
            probe.check()
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(timeout=20) for process in processes]
    assert codes == [0] * len(codes)


class Probe:
    """Sends a robot five steps of 1 cm and closes its gripper; looks at what comes of it."""

    STEPS = 5

    def __init__(self, spinner, name: str, robot):
        self.robot = robot
        self.node = node = spinner.add(Node("probe", context=spinner.context, namespace=f"/{name}"))
        self.tool = self.state = self.arm = self.rested = None
        self.sent, self.asked = [], 0
        node.create_subscription(ToolState, "tool_state", lambda m: setattr(self, "tool", m), 20)
        node.create_subscription(
            JointState, "joint_states", lambda m: setattr(self, "state", m), 20
        )
        node.create_subscription(ActionSent, "action/sent", self.sent.append, 20)
        node.create_subscription(
            JointTrajectory, robot.trajectory_topic, lambda m: setattr(self, "arm", m), 20
        )
        self.actions = node.create_publisher(ActionCommanded, "action/commanded", 20)
        signs = ("episode/heartbeat", "camera/image/seen", "wrist_camera/image/seen")
        self.signs = [node.create_publisher(Header, topic, 1) for topic in signs]
        node.create_timer(0.02, self.live)

    def ready(self) -> bool:
        """All ends that an action needs have found each other."""
        heard = self.tool is not None and self.state is not None
        publishers = (*self.signs, self.actions)
        topics = ("action/sent", self.robot.trajectory_topic)
        return (
            heard
            and all(publisher.get_subscription_count() for publisher in publishers)
            and all(self.node.count_publishers(t) for t in topics)
        )

    def live(self) -> None:
        """What an episode node and cameras say of themselves."""
        now = Header(stamp=self.node.get_clock().now().to_msg())
        for publisher in self.signs:
            publisher.publish(now)

    def begin(self) -> None:
        self.first = list(self.tool.position_bin_m)

    def act(self) -> bool:
        """One action after the motion of the last; True once all are answered."""
        if len(self.sent) == self.asked < self.STEPS and self.rests():
            self.asked += 1
            action = Action(Kind.STEP, (0.01, 0.0, -0.005), close=True)
            stamp_s = ros_messages.from_time(self.tool.header.stamp)
            header = ros_messages.to_header(stamp_s, self.tool.header.frame_id)
            self.actions.publish(
                ros_messages.to_action_commanded(
                    action, header=header, episode_id="", step_index=len(self.sent)
                )
            )
        return len(self.sent) >= self.STEPS

    def rests(self) -> bool:
        """The joints are, to the last bits, where the answer says that the motion ends."""
        if not self.sent:
            return True
        where = dict(zip(self.state.name, self.state.position, strict=True))
        joints = [where[name] for name in self.robot.arm_joints]
        return np.allclose(joints, self.sent[-1].target_position[: len(joints)], rtol=0, atol=1e-9)

    def closed(self) -> bool:
        """The tool, whose state follows the joints', is as the joints at their rest were."""
        if self.rested is None and self.rests():
            self.rested = ros_messages.from_time(self.state.header.stamp)
        shown = ros_messages.from_time(self.tool.header.stamp)
        rests = self.rested is not None and shown >= self.rested
        return rests and self.tool.gripper_opening_m < 0.002

    def moved(self) -> np.ndarray:
        return np.array(self.tool.position_bin_m) - self.first

    def check(self) -> None:
        assert [message.error_code for message in self.sent] == [0] * self.STEPS
        np.testing.assert_allclose(self.moved(), [0.05, 0.0, -0.025], atol=2e-3)
        finger = list(self.state.position)[self.state.name.index(self.robot.finger_joint)]
        assert finger == pytest.approx(self.robot.gripper.joint_closed, abs=0.02)
        own = {self.robot.finger_joint} & set(self.arm.joint_names)
        assert bool(own) == (self.robot.name == "iiwa14")
        assert set(self.robot.arm_joints) <= set(self.arm.joint_names)


def turned(alpha, a, d, theta, craig):
    """One row of a Denavit-Hartenberg table, standard or Craig's, as a transform."""
    x = pin.SE3(pin.utils.rotate("x", alpha), np.array([a, 0.0, 0.0]))
    z = pin.SE3(pin.utils.rotate("z", theta), np.array([0.0, 0.0, d]))
    return x * z if craig else z * x


MAKERS = {  # alpha (rad), a, d (m) a joint: the makers' tables, see the descriptions
    "ur5e": (
        False, "base_link_inertia", "tool0",
        [(np.pi / 2, 0, 0.1625), (0, -0.425, 0), (0, -0.3922, 0), (np.pi / 2, 0, 0.1333),
         (-np.pi / 2, 0, 0.0997), (0, 0, 0.0996)],
    ),
    "panda": (
        True, "panda_link0", "panda_link7",
        [(0, 0, 0.333), (-np.pi / 2, 0, 0), (np.pi / 2, 0, 0.316), (np.pi / 2, 0.0825, 0),
         (-np.pi / 2, -0.0825, 0.384), (np.pi / 2, 0, 0), (np.pi / 2, 0.088, 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_a_shipped_description_is_the_makers_table(name):
    craig, base, tip, table = MAKERS[name]
    robot = load_robot(ROBOTS / name)
    model = pin.buildModelFromXML(read_urdf(Path(robot.urdf)))
    data = model.createData()
    pin.seed(0)
    for _ in range(20):
        q = pin.randomConfiguration(model, *(np.full(model.nq, x) for x in (-1.5, 1.5)))
        pin.framesForwardKinematics(model, data, q)
        at = {link: data.oMf[model.getFrameId(link)] for link in (base, tip)}
        wanted = pin.SE3.Identity()
        for joint, (alpha, a, d) in zip(robot.arm_joints, table):
            theta = q[model.joints[model.getJointId(joint)].idx_q]
            wanted = wanted * turned(alpha, a, d, theta, craig)
        assert at[base].actInv(at[tip]).isApprox(wanted, 1e-9)
