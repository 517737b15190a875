"""Every command of docs/hardware.md runs, in its order: a cell, then a robot that follows."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "doctor"), str(ROOT / "tests" / "control")]

from board_scene import (  # noqa: E402
    HEIGHT_PX,
    WIDTH_PX,
    BoardScene,
    focal_length_px,
    looking_at,
)
from rclpy.context import Context  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from mtopt_bringup.cell_options import options_from_text  # noqa: E402
from mtopt_bringup.doctor.boards import parse_board  # noqa: E402
from mtopt_bringup.doctor.calibration_checks import pose_numbers  # noqa: E402
from mtopt_bringup.doctor.camera_file import read_camera_info  # noqa: E402
from mtopt_bringup.graph import robot_graph  # noqa: E402
from mtopt_bringup.processes import process_specs  # noqa: E402
from mtopt_spec.robot import load_robot  # noqa: E402

PAGE = ROOT / "docs" / "hardware.md"
SIDE, FOCAL = HEIGHT_PX // 2, focal_length_px() / 2
"""Of the drivers' pictures, px: square as an observation's."""
SOON = {"doctor": ["--wait", "60", "--seconds", "1.5", "--json"], "bags": ["--json"]}
"""What is appended to a command so that it is over soon."""


def commands(first: str) -> list[list[str]]:
    """Lines of the page's blocks that begin so."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(first)]


def run(command: list[str], folder: Path, answer: str = "") -> tuple[int, dict, str]:
    """A command of the page, as a process in a folder; exit code, its object, what it told."""
    done = subprocess.run(
        [sys.executable, "-m", "mtopt_bringup.main", *command[1:], *SOON[command[1]]],
        cwd=folder, input=answer, capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {}, done.stderr


def move_arm(command: list[str], folder: Path) -> tuple[int, dict, str]:
    """A command that moves; again where this machine was too busy, and the arm held for that."""
    for _ in range(4):
        code, result, told = run(command, folder)
        if "s old, at most" not in figures(result, "motion")["detail"]:
            break
    return code, result, told


def states(result: dict, state: str) -> set[str]:
    return {check["name"] for check in result["checks"] if check["state"] == state}


def figures(result: dict, name: str) -> dict:
    return next(check for check in result["checks"] if check["name"] == name)


@pytest.mark.timeout(200)
def test_the_rehearsal(tmp_path, domain_id):
    """The cell runs freely; the doctor finds all sound, and moves the arm through arm_node."""
    cell, *doctors = commands("./mtopt")[:3]
    assert cell[1] == "cell" and [d[1] for d in doctors] == ["doctor", "doctor"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mtopt_bringup.main", *cell[1:]],
        cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for command in doctors:
            code, result, told = move_arm(command, tmp_path)
            assert code == 0, told
        assert states(result, "not done") == {"shoulder board", "wrist board"}
        assert figures(result, "joint states")["rate_hz"] == pytest.approx(25, rel=0.1)
        assert figures(result, "shoulder pictures")["rate_hz"] == pytest.approx(5, rel=0.25)
        motion = figures(result, "motion")
        assert motion["moved_mm"] == pytest.approx(40, abs=3) and motion["rest_mm"] < 2
        assert "z 0.180 to 0.220" in told
        assert json.loads((tmp_path / "doctor_iiwa14.json").read_text())["ok"]
        # nobody to ask
        code, result, told = run([*doctors[0], "--move"], tmp_path)
        assert code == 2 and "--yes" in told
        # another robot's folder
        code, result, told = run(["./mtopt", "doctor", "--robot", "ur5e", "--move"], tmp_path)
        assert code == 1 and "shoulder_pan_joint" in figures(result, "joints")["detail"]
        assert "motion" in states(result, "not done")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


class CameraDrivers(Node):
    """The drivers of both cameras: raw pictures, a calibration, 20 Hz; spun by its own thread."""

    def __init__(self, pictures):
        self.own = Context()
        self.own.init()
        super().__init__("camera_drivers", namespace="/robot_1", context=self.own)
        self.pictures, self.shown = pictures, 0
        self.ends = {
            name: (
                self.create_publisher(Image, f"{name}/image_raw", 5),
                self.create_publisher(CameraInfo, f"{name}/camera_info", 5),
            )
            for name in ("camera", "wrist_camera")
        }
        self.create_timer(0.05, self.publish)
        self.executor_ = SingleThreadedExecutor(context=self.own)
        self.executor_.add_node(self)
        self.thread = threading.Thread(target=self.spin)
        self.thread.start()

    def spin(self):
        try:
            self.executor_.spin()
        except ExternalShutdownException:
            pass

    def publish(self):
        """The same picture four times, then the next."""
        picture = self.pictures[(self.shown // 4) % len(self.pictures)]
        self.shown += 1
        info = CameraInfo(height=SIDE, width=SIDE, d=[0.0] * 5)
        info.k = [FOCAL, 0.0, SIDE / 2 - 0.5, 0.0, FOCAL, SIDE / 2 - 0.5, 0.0, 0.0, 1.0]
        image = Image(height=SIDE, width=SIDE, step=3 * SIDE, encoding="bgr8")
        image.data = np.ascontiguousarray(picture[..., ::-1]).tobytes()
        image.header.stamp = info.header.stamp = self.get_clock().now().to_msg()
        for images, infos in self.ends.values():
            images.publish(image)
            infos.publish(info)

    def close(self):
        self.own.try_shutdown()
        self.thread.join(timeout=10)


def board_poses(count=30):
    draw = np.random.default_rng(3)
    for _ in range(count):
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", draw.uniform(-0.45, 0.45, 3)).as_matrix()
        pose[:3, 3] = draw.uniform((-0.08, -0.06, 0.0), (0.08, 0.08, 0.12))
        yield pose


def small(scene: BoardScene, pose: np.ndarray) -> np.ndarray:
    edge = (WIDTH_PX - HEIGHT_PX) // 2
    square = scene.show(pose)[:, edge : edge + HEIGHT_PX]
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def edit(folder: Path, **fields) -> None:
    data = yaml.safe_load((folder / "robot.yaml").read_text())
    (folder / "robot.yaml").write_text(yaml.safe_dump({**data, **fields}))


@pytest.mark.timeout(300)
def test_a_robot_from_its_folder_to_its_first_motion(tmp_path, domain_id):
    """The controllers follow without physics; cameras see a rendered board; all else is real."""
    (copy,) = commands("cp")
    offline, calibrate, board, ready, move, bags = commands("./mtopt")[3:]
    (tmp_path / "params").symlink_to(ROOT / "params")
    subprocess.run(copy, cwd=tmp_path, check=True)
    folder = tmp_path / copy[-1]
    code, result, told = run(offline, tmp_path)
    assert code == 0 and "joint states" in states(result, "not done"), told
    gripper = {**vars(load_robot(folder).gripper), "command": "position", "topic": "hand/commands"}
    # control_msgs is not everywhere; this machine has other things to do
    edit(folder, gripper=gripper, max_state_age_s=0.5)
    place = looking_at(np.array([-0.1, -0.25, 0.45]), np.array([0.0, 0.02, 0.0]))
    scene = BoardScene(tmp_path, parse_board(board[board.index("--board") + 1]), place)
    views, flat = [small(scene, pose) for pose in board_poses()], [small(scene, np.eye(4))]
    scene.close()
    follower = [str(ROOT / "tests/control/follower_node.py"), f"robot_1={folder}"]
    processes = [subprocess.Popen([sys.executable, *follower])]
    drivers = CameraDrivers(views)
    try:
        code, result, told = run(calibrate, tmp_path)
        assert code == 0 and result["views"] == 15 and result["residual_px"] < 0.4, told
        info = read_camera_info(folder / "shoulder_camera.yaml")
        assert info.matrix[0, 0] == pytest.approx(FOCAL, rel=0.02)
        camera = {"info": "shoulder_camera.yaml", "parent": "bin", "pose": pose_numbers(place)}
        edit(folder, cameras={"shoulder": camera})
        drivers.pictures = flat
        code, result, told = run(board, tmp_path)
        seen = figures(result, "shoulder board")
        assert code == 0 and seen["residual_px"] < 0.5 and seen["offset_m"] < 0.01, told
        processes += start_launched(commands("ros2 launch")[0], tmp_path)
        code, result, told = run(ready, tmp_path)
        assert code == 0 and states(result, "not done") >= {"motion"}, told
        code, result, told = move_arm([*move, "--yes"], tmp_path)
        assert code == 0, told
        motion = figures(result, "motion")
        assert motion["moved_mm"] == pytest.approx(40, abs=3) and motion["rest_mm"] < 1
        assert motion["action_to_trajectory_ms"] < 200
    finally:
        drivers.close()
        for process in processes:
            process.terminate()
        codes = [process.wait(timeout=30) for process in processes]
    assert codes == [0] * len(codes)
    assert bags == ["./mtopt", "bags", "check", "bags"]  # run by test_readme_commands.py


def start_launched(launch: list[str], folder: Path) -> list[subprocess.Popen]:
    """What a launch line starts, without launch: the processes of the same graph."""
    values = dict(argument.split(":=") for argument in launch[4:])
    robot, values["arm"] = values.pop("robot"), str(folder / values["arm"])
    options = options_from_text({"sim": "none", **values})
    specs = process_specs(robot_graph(options, robot), folder / "launched")
    patient = ("max_camera_age_s:=0.5", "max_observation_age_s:=0.6", "heartbeat_timeout_s:=0.6")
    more = [word for setting in patient for word in ("-p", setting)]
    return [subprocess.Popen([*spec.argv, *more]) for spec in specs]


def test_every_launch_argument_of_the_page_is_one():
    launches = commands("ros2 launch")
    assert [line[3] for line in launches] == ["robot.launch.py", "cell.launch.py"]
    for line in launches:
        values = dict(argument.split(":=") for argument in line[4:])
        values.pop("robot", None)
        options = options_from_text({"sim": "none", **values})
        assert options.arm == "my_robot" and not options.autostart


def test_the_page_names_every_field_and_its_figures():
    from dataclasses import fields

    from mtopt_bringup.doctor.folder_checks import check_folder
    from mtopt_control.arm.kinematics import read_urdf
    from mtopt_spec.robot import RobotConfig, robot_folder

    text = PAGE.read_text()
    for field in fields(RobotConfig):
        known = field.name in ("name", "home_height_m", "bin_reset", "max_state_age_s")
        assert known or f"`{field.name}`" in text, field.name
    for name in ("iiwa14", "ur5e", "panda"):
        robot = load_robot(robot_folder(name))
        checks = check_folder(robot, read_urdf(Path(robot.urdf)))
        reach = next(c for c in checks if c.name == "reachability").figures
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert f"{np.degrees(reach['margin_rad']):.1f} degrees" in row
        assert f"{reach['dexterity']:.3f}" in row
