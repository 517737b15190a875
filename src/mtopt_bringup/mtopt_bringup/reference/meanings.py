"""What a topic, service or action is, in one line."""

from __future__ import annotations

import re

from mtopt_spec.resources import share_dir

_OF_NAME = {
    "/cell/stop": "stops all arms, or takes that back: each then waits for its arm/resume",
    "/clock": "simulated time",
    "/diagnostics": "rates, counts and what is wrong",
    "/stop": "true: all arms hold until arm/resume, those too that start later",
    "/gazebo/<robot>/<object>/pose": "an object's pose in the world, from Gazebo",
    "/gazebo/<robot>/bin/joint_states": "the hinge's readings, from Gazebo",
    "/gazebo/<robot>/joint_states": "the arm's readings, from Gazebo",
    "/gazebo/<robot>/joint_trajectory": "the same trajectory in close points, for Gazebo",
    "/<robot>/<camera>/camera_info": "the camera's calibration",
    "/<robot>/<camera>/image/camera_info": "the calibration at the observation's size",
    "/<robot>/<camera>/image/compressed": "JPEG at the observation's size: what policies see",
    "/<robot>/<camera>/image_raw": "a camera's pictures, RGB",
    "/<robot>/<camera>/image/seen": "stamp of every picture that the driver gives",
    "/<robot>/arm/resume": "takes actions again, from wherever the arm is",
    "/<robot>/arm/stop": "holds, whatever is asked, until arm/resume",
    "/<robot>/bin/hinge_position_command": "angle of the bin's hinge, rad",
    "/<robot>/episode/goal/<camera>/image/compressed": "what the running episode is to reach",
    "/<robot>/episode/heartbeat": "the episode node lives: without it the arm holds",
    "/<robot>/goal/<camera>/image/compressed": "the newest goal picture, for who asks without one",
    "/<robot>/joint_states": "readings of arm, finger and hinge: rad, m",
    "/<robot>/joint_trajectory": "what the arm is to do in the next control period",
    "/<robot>/stop": "true: the arm holds until arm/resume",
    "/<robot>/reach_goal_now": "an episode that is to reach the newest goal pictures",
}
_FOLDERS = ("msg", "srv", "action")


def meaning(name: str, kind: str) -> str:
    """By the name; of an interface of ours: the first sentence of its file. '' where neither is."""
    if name in _OF_NAME:
        return _OF_NAME[name]
    package, folder, stem = kind.split("/")
    if package != "mtopt_msgs" or folder not in _FOLDERS:
        return ""
    text = (share_dir(package) / folder / f"{stem}.{folder}").read_text()
    comment = " ".join(
        line.lstrip("# ") for line in text.split("\n\n")[0].splitlines() if line.startswith("#")
    )
    return re.split(r"(?<=[.?])\s", comment)[0].rstrip(".")


def named() -> frozenset[str]:
    """All names that have a meaning here."""
    return frozenset(_OF_NAME)
