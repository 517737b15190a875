"""Policies of the in-process loop: scripts beside each robot, learned ones for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from mtopt_learning.policy.pinhole import PinholeCamera
from mtopt_learning.policy.scripts import SCRIPTS, make_scripts
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Policy, SuccessJudge
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.resources import share_dir
from mtopt_spec.task import TaskList

QFUNCTION = "qfunction"


def local_policies(tasks: TaskList) -> dict[str, Policy]:
    """Policies without a network, by name, with the camera of params/policy_node.yaml."""
    return make_scripts(tasks, calibrated_camera())


def calibrated_camera() -> PinholeCamera:
    """The shoulder camera as the policy node knows it, to the last digit."""
    path = share_dir() / "params" / "policy_node.yaml"
    values = yaml.safe_load(path.read_text())["policy_node"]["ros__parameters"]
    return PinholeCamera(
        *values["camera_size_px"],
        *values["camera_intrinsics"],
        np.array(values["camera_position_bin_m"]),
        np.array(values["camera_rotation_bin"]).reshape(3, 3),
    )


def learned_policy(checkpoint: Path, tasks: TaskList, epsilon: float = 0.0) -> Policy:
    """The Q-function of a checkpoint behind its name.

    Raises:
        InputError: It is missing, damaged, of other tasks, or of cameras that no station has.
    """
    from mtopt_learning.policy.policy_mux import PolicyMux
    from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy

    policy = QFunctionPolicy(tasks=tasks.names, config=ActConfig(epsilon=epsilon))
    policy.load(checkpoint)
    if set(policy.cameras) - set(DEFAULT_IMAGE_SIZES):
        raise InputError(
            "cameras", where=checkpoint, got=list(policy.cameras),
            expected=f"those of the simulator's stations, {list(DEFAULT_IMAGE_SIZES)}",
            todo="serve it to the robots that have them: docs/hardware.md",
        )  # fmt: skip
    return PolicyMux({QFUNCTION: policy})


def check_policy(name: str, checkpoint: Path | None, *, of_tasks: bool = True) -> None:
    """Raises `InputError` for a policy that nobody serves.

    Args:
        name: Of the policy.
        checkpoint: That it is to have.
        of_tasks: Whether it may be each task's own.
    """
    from mtopt_control.schedule.schedule_config import BOOTSTRAP

    known = (QFUNCTION, *SCRIPTS, *((BOOTSTRAP,) if of_tasks else ()))
    if name not in known:
        raise InputError("policy", where="--policy", got=repr(name), expected=f"one of {known}")
    if name == QFUNCTION and checkpoint is None:
        raise InputError(
            "policy", where="--policy", got=name, expected="--checkpoint DIR beside it"
        )


def policy_fingerprint(checkpoint: Path, tasks: TaskList) -> str:
    """The fingerprint of a Q-function's checkpoint."""
    from mtopt_learning.checkpoint.q_function import load_q_function

    return load_q_function(checkpoint, tasks=tasks.names).fingerprint


def goal_fingerprint(checkpoint: Path, tasks: TaskList, cameras: Sequence[str]) -> str:
    """The fingerprint of a Q-function's checkpoint that reaches goals of these cameras.

    Raises:
        InputError: It knows no goals, or needs pictures of another camera.
    """
    from mtopt_learning.checkpoint.q_function import load_q_function

    q_function = load_q_function(checkpoint, tasks=tasks.names)
    _check_goal_cameras(q_function.network.goal_cameras, cameras, checkpoint)
    return q_function.fingerprint


def goal_picture_sizes(
    checkpoint: Path | None, cameras: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Camera to (height_px, width_px) of its goal pictures.

    Args:
        checkpoint: Of the Q-function that is to reach them; None: as observations have it.
        cameras: Their names.

    Raises:
        InputError: The Q-function cannot see such goals, or there is no such camera.
    """
    sizes = DEFAULT_IMAGE_SIZES
    if checkpoint is not None:
        from mtopt_learning.checkpoint.q_function import load_q_function

        q_function = load_q_function(checkpoint)
        _check_goal_cameras(q_function.network.goal_cameras, cameras, checkpoint)
        sizes = q_function.cameras
    if not set(cameras) <= set(sizes):
        raise InputError(
            "--cameras", where="arguments", got=list(cameras), expected=f"some of {list(sizes)}"
        )
    return {camera: tuple(sizes[camera]) for camera in cameras}


def _check_goal_cameras(known: Sequence[str], cameras: Sequence[str], checkpoint: Path) -> None:
    if not known or not set(known) <= set(cameras):
        raise InputError(
            "checkpoint", where=checkpoint,
            got=f"goals of the cameras {list(known)}" if known else "not trained to reach goals",
            expected=f"one that reaches goals of the cameras {list(cameras)}",
        )  # fmt: skip


def success_judge(checkpoint: Path, tasks: TaskList) -> SuccessJudge:
    """The success detector of a checkpoint.

    Raises:
        InputError: It is missing, damaged or of other tasks.
    """
    from mtopt_learning.success.detector import SuccessDetector

    return SuccessDetector.load(checkpoint, tasks.names)
