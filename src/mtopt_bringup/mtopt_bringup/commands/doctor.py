"""`mtopt doctor`: is everything here that a cell needs? Is a simulator what a cell expects?"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mtopt_bringup.conformance.check import Finding, as_result, expect, run_checks
from mtopt_bringup.domain import free_domain
from mtopt_bringup.number_types import nonnegative_float, positive_float
from mtopt_spec.errors import InputError

SUMMARY = (
    "Checks this machine: Python, ROS, rendering, messages between processes, disk, world. "
    "With --robot: the bring-up check of a robot that runs, read-only unless --move is given."
)
EXAMPLE = "mtopt doctor --json\n  mtopt doctor --robot ur5e --namespace robot_1 --out ur5e.json"

_NEEDED_FREE_BYTES = 2_000_000_000
_RENDER = (
    "import mujoco as m; x = m.MjModel.from_xml_string("
    '\'<mujoco><worldbody><light pos="0 0 3"/><geom size=".5"/></worldbody></mujoco>\');'
    "d = m.MjData(x); m.mj_forward(x, d); r = m.Renderer(x, 64, 64); r.update_scene(d);"
    "p = r.render(); print(p.std() > 1, flush=True); import os; os._exit(0)"
)


def add_arguments(parser) -> None:
    """Of this machine, of a simulator, and of a robot."""
    parser.add_argument("--disk", type=Path, default=Path("."), help="where bags will be written")
    parser.add_argument(
        "--backend", choices=("mujoco", "gazebo"),
        help="start this simulator of a one-robot cell and check that it conforms",
    )  # fmt: skip
    robot = parser.add_argument_group("a robot (docs/hardware.md)")
    robot.add_argument(
        "--robot", metavar="NAME", help="its folder: below params/robots/, or a path"
    )
    robot.add_argument(
        "--namespace", default="robot_1", help="of it in the ROS graph (default robot_1)"
    )
    robot.add_argument(
        "--seconds", type=positive_float, default=5.0, help="to listen to its streams (default 5)"
    )
    robot.add_argument(
        "--wait", type=nonnegative_float, default=10.0, metavar="S", help="to find it (default 10)"
    )
    robot.add_argument("--offline", action="store_true", help="only what needs no robot")
    robot.add_argument(
        "--board", metavar="BOARD",
        help="in view: checkerboard:COLUMNSxROWS:SQUARE_M (inner corners) or "
        "charuco:COLUMNSxROWS:SQUARE_M:MARKER_M (squares)",
    )  # fmt: skip
    robot.add_argument(
        "--board-pose", type=float, nargs=7, metavar=("X", "Y", "Z", "QX", "QY", "QZ", "QW"),
        help="of it in the bin's frame, m and quaternion",
    )  # fmt: skip
    robot.add_argument(
        "--calibrate", metavar="CAMERA",
        help="let the person show --board to this camera, and write its calibration to --out",
    )  # fmt: skip
    robot.add_argument(
        "--move", action="store_true", help="then move the arm a little, after asking"
    )
    robot.add_argument("--yes", action="store_true", help="do not ask before moving")
    robot.add_argument("--out", type=Path, metavar="FILE", help="write the result there, too")


def run(arguments) -> dict:
    """All checks; exit code 1 when one fails."""
    if arguments.backend:
        return importlib.import_module("mtopt_bringup.conformance.report").run(arguments.backend)
    if arguments.robot is not None:
        from mtopt_bringup.doctor.command import check_robot

        return check_robot(arguments)
    return as_result(run_checks(_checks(arguments.disk), _tell, (Exception, SystemExit)))


def text(_: dict) -> str:
    """Nothing: each finding was told when it was found."""
    return ""


def _tell(finding: Finding) -> None:
    sys.stderr.write(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}\n")


def _checks(disk: Path) -> list[tuple[str, Callable[[], str]]]:
    return [
        ("python", _python),
        ("ros", _ros),
        ("messages", _messages),
        ("rendering", _rendering),
        ("dds", _dds),
        ("disk", lambda: _disk(disk)),
        ("world", _world),
        ("robot", _robot),
    ]


def _python() -> str:
    version = platform.python_version()
    expect((3, 10) <= sys.version_info[:2] <= (3, 13), "version", version, "3.10 to 3.13")
    return version


def _ros() -> str:
    rclpy = importlib.import_module("rclpy")
    for package in ("sensor_msgs.msg", "trajectory_msgs.msg", "rosgraph_msgs.msg", "std_srvs.srv"):
        importlib.import_module(package)
    distribution = os.environ.get("ROS_DISTRO", "unknown")
    middleware = rclpy.utilities.get_rmw_implementation_identifier()
    expect(distribution == "jazzy", "ROS_DISTRO", distribution, "jazzy")
    return f"{distribution}, {middleware}"


def _messages() -> str:
    message = importlib.import_module("mtopt_msgs.msg").EpisodeBegin()
    importlib.import_module("rclpy.serialization").serialize_message(message)
    return "mtopt_msgs is built"


def _rendering() -> str:
    result = subprocess.run(
        [sys.executable, "-c", _RENDER], capture_output=True, text=True, timeout=60
    )
    mujoco = importlib.import_module("mujoco")
    how = f"mujoco {mujoco.__version__}, MUJOCO_GL={os.environ.get('MUJOCO_GL', 'unset')}"
    *_, got = (result.stderr.strip() or "an empty picture").splitlines()
    todo = "a picture; install libegl1 and libgl1-mesa-dri"
    expect(result.stdout.strip() == "True", how, got, todo)
    return how


def _dds() -> str:
    loopback = importlib.import_module("mtopt_bringup.loopback_node")
    domain = free_domain()
    seconds = loopback.round_trip_s(domain, timeout_s=20.0)
    return f"{1000 * seconds:.1f} ms to another process and back, domain {domain}"


def _disk(folder: Path) -> str:
    usage = shutil.disk_usage(folder)
    detail = f"{usage.free / 1e9:.1f} GB free in {folder.resolve()}"
    expect(
        usage.free > _NEEDED_FREE_BYTES, "disk", detail, f"above {_NEEDED_FREE_BYTES / 1e9:.0f} GB"
    )
    return detail


def _world() -> str:
    path = importlib.import_module("mtopt_sim.cell").world_file()
    reader = importlib.import_module("mtopt_sim.world_file")
    reader.read_world(path)
    detail = f"{len(reader.robot_names(path))} stations"
    checker = shutil.which("ign") or shutil.which("gz")
    if checker is None:
        return f"{detail}; not checked by Gazebo's parser (not installed)"
    result = subprocess.run(
        [checker, "sdf", "-k", str(path)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "SDF_PATH": str(path.parent / "models"),
             "GZ_SIM_RESOURCE_PATH": str(path.parent / "models")},
    )  # fmt: skip
    *_, last = ((result.stdout + result.stderr).strip() or "no output").splitlines()
    expect(result.returncode == 0, f"{detail}; Gazebo's parser", last, "a valid file")
    return f"{detail}; valid by Gazebo's parser"


def _robot() -> str:
    robot = importlib.import_module("mtopt_spec.robot")
    config = robot.load_robot(robot.worlds_robot_folder())
    if not Path(config.urdf).exists():
        raise InputError("URDF", where=config.name, got="no file", expected=config.urdf)
    return f"{config.name}, {len(config.arm_joints)} joints"
