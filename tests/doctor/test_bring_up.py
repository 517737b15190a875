"""`mtopt doctor --robot` as its user runs it: against a cell's processes, and against cameras."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from board_scene import HEIGHT_PX, WIDTH_PX, BoardScene, focal_length_px, looking_at
from conftest import ROOT
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image

from mtopt_bringup.doctor.boards import parse_board
from mtopt_bringup.doctor.calibration_checks import pose_numbers
from mtopt_bringup.doctor.camera_file import CameraInfo as Intrinsics
from mtopt_bringup.doctor.camera_file import read_camera_info, write_camera_info

BOARD = "checkerboard:8x5:0.03"


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


@pytest.mark.timeout(200)
def test_a_cell_that_runs_freely_is_checked_and_moved(tmp_path, domain_id):
    cell = subprocess.Popen(
        [
            sys.executable, "-m", "mtopt_bringup.main", "cell", "--robots", "1", "--on-request",
            "--real-time-factor", "1", "--out", str(tmp_path / "bags"),
        ],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait = ("--wait", "60", "--seconds", "1.5")
        code, checks, told = doctor(tmp_path, "--robot", "iiwa14", *wait, "--move", "--yes")
        assert code == 0, told
        undone = {name for name, check in checks.items() if check["state"] == "not done"}
        assert undone == {"shoulder board", "wrist board"}
        assert checks["joint states"]["rate_hz"] == pytest.approx(25, rel=0.1)
        assert checks["shoulder pictures"]["rate_hz"] == pytest.approx(5, rel=0.25)
        motion = checks["motion"]
        assert motion["moved_mm"] == pytest.approx(40, abs=3) and motion["rest_mm"] < 2
        assert "z 0.180 to 0.220" in told and "motion" in told
        # nobody to ask
        code, checks, told = doctor(tmp_path, "--robot", "iiwa14", *wait, "--move")
        assert code == 2 and "--yes" in told and not checks
        # another robot's folder
        code, checks, told = doctor(tmp_path, "--robot", "ur5e", *wait, "--move", "--yes")
        assert code == 1 and "shoulder_pan_joint" in checks["joints"]["detail"]
        assert checks["motion"]["state"] == "not done" and "joints" in checks["motion"]["detail"]
    finally:
        cell.send_signal(signal.SIGINT)
        cell.communicate(timeout=60)


def test_without_a_robot_only_the_folder_is_checked(tmp_path, domain_id):
    code, checks, told = doctor(tmp_path, "--robot", "panda", "--offline")
    assert code == 0 and checks["reachability"]["state"] == "ok"
    assert checks["joint states"]["state"] == checks["motion"]["state"] == "not done"
    code, checks, told = doctor(tmp_path, "--robot", "panda", "--wait", "1")
    assert code == 1 and checks["joint states"]["state"] == "FAIL"
    assert "ROS_DOMAIN_ID" in told and checks["shoulder quality"]["state"] == "not done"
    code, _, told = doctor(tmp_path, "--robot", "no_such_robot", "--offline")
    assert code == 2 and "'iiwa14', 'panda', 'ur5e'" in told


class CameraDriver(Node):
    """A camera's driver: raw pictures and its calibration, at 10 Hz."""

    def __init__(self, scene, poses, context):
        super().__init__("camera_driver", namespace="/robot_1/camera", context=context)
        self.images = self.create_publisher(Image, "image_raw", 5)
        self.infos = self.create_publisher(CameraInfo, "camera_info", 5)
        self.pictures = [scene.show(pose) for pose in poses]
        self.shown = 0
        self.create_timer(0.1, self.publish)

    def publish(self):
        stamp = self.get_clock().now().to_msg()
        image = Image(height=HEIGHT_PX, width=WIDTH_PX, step=3 * WIDTH_PX, encoding="bgr8")
        image.header.stamp = stamp
        picture = self.pictures[(self.shown // 2) % len(self.pictures)]
        image.data = np.ascontiguousarray(picture[..., ::-1]).tobytes()
        f, info = focal_length_px(), CameraInfo(height=HEIGHT_PX, width=WIDTH_PX)
        info.header.stamp = stamp
        info.k = [f, 0.0, WIDTH_PX / 2 - 0.5, 0.0, f, HEIGHT_PX / 2 - 0.5, 0.0, 0.0, 1.0]
        info.d = [0.0] * 5
        self.images.publish(image)
        self.infos.publish(info)
        self.shown += 1


def spin_during(node: Node, context: Context, domain_id: int, command: list[str]):
    """Runs a command while a node lives; its process."""
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        executor.spin_once(timeout_sec=0.05)
    executor.shutdown(timeout_sec=0)
    node.destroy_node()
    return process


@pytest.mark.timeout(200)
def test_a_camera_is_calibrated_and_its_board_checked(tmp_path, domain_id, changed_robot):
    pose = looking_at(np.array([-0.1, -0.25, 0.45]), np.array([0.0, 0.02, 0.0]))
    scene = BoardScene(tmp_path, parse_board(BOARD), pose)
    cameras = {
        "shoulder": {"info": "shoulder_camera.yaml", "parent": "bin", "pose": pose_numbers(pose)}
    }
    folder = changed_robot("ur5e", cameras=cameras)
    draw, poses = np.random.default_rng(3), []
    for _ in range(30):
        middle = np.eye(4)
        middle[:3, :3] = Rotation.from_euler("xyz", draw.uniform(-0.45, 0.45, 3)).as_matrix()
        middle[:3, 3] = draw.uniform((-0.08, -0.06, 0.0), (0.08, 0.08, 0.12))
        poses.append(middle)
    base = [sys.executable, "-m", "mtopt_bringup.main", "doctor", "--robot", str(folder)]
    follower = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "tests/control/follower_node.py"),
            f"robot_1={without_action(folder)}",
        ]
    )
    context = Context()
    context.init(domain_id=domain_id)
    try:
        command = [*base, "--calibrate", "shoulder", "--board", BOARD, "--json"]
        done = spin_during(CameraDriver(scene, poses, context), context, domain_id, command)
        assert done.returncode == 0, done.stderr.read()
        result = json.loads(done.stdout.read().splitlines()[-1])
        assert result["views"] == 15 and result["residual_px"] < 0.4
        info = read_camera_info(folder / "shoulder_camera.yaml")
        assert info.matrix[0, 0] == pytest.approx(focal_length_px(), rel=0.02)
        # then, with the lens that the driver tells, the board in the bin
        k = np.array([[focal_length_px(), 0, 319.5], [0, focal_length_px(), 239.5], [0, 0, 1]])
        write_camera_info(
            folder / "shoulder_camera.yaml",
            Intrinsics("shoulder", WIDTH_PX, HEIGHT_PX, k, np.zeros(5)),
        )
        known = [str(x) for x in pose_numbers(scene.board_pose(np.eye(4)))]
        out = tmp_path / "doctor.json"
        command = [
            *base, "--board", BOARD, "--board-pose", *known, "--seconds", "2", "--out", str(out)
        ]  # fmt: skip
        driver = CameraDriver(scene, [np.eye(4)], context)
        done = spin_during(driver, context, domain_id, command)
        checks = {c["name"]: c for c in json.loads(out.read_text())["checks"]}
        assert done.returncode == 1  # there is no wrist camera
        assert [n for n, c in checks.items() if c["state"] == "FAIL"] == ["wrist pictures"]
        board = checks["shoulder board"]
        assert board["residual_px"] < 0.4 and board["offset_m"] < 4e-3
        assert checks["joints"]["state"] == checks["shoulder camera_info"]["state"] == "ok"
        assert abs(checks["joint states"]["clock_offset_s"]) < 0.05
    finally:
        context.try_shutdown()
        follower.terminate()
        follower.wait(timeout=20)
        scene.close()


def without_action(folder: Path) -> Path:
    """The same robot with a gripper that needs no message of its own."""
    copy = folder.with_name("without_action")
    copy.mkdir()
    data = yaml.safe_load((folder / "robot.yaml").read_text())
    gripper = {**data["gripper"], "command": "position", "topic": "hand/commands"}
    (copy / "robot.yaml").write_text(yaml.safe_dump({**data, "gripper": gripper, "cameras": {}}))
    for file in folder.glob("*.xacro"):
        (copy / file.name).write_text(file.read_text())
    return copy
