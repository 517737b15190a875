"""Policies of the in-process loop: scripts beside each robot, learned ones for all at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from mtopt_learning.policy.pinhole import PinholeCamera
from mtopt_learning.policy.random_policy import RandomPolicy
from mtopt_learning.policy.scripted_pick import ScriptedPick
from mtopt_learning.policy.scripted_place import PUT_DOWN, ScriptedPlace
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Policy, SuccessJudge
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.resources import share_dir
from mtopt_spec.task import TaskList

QFUNCTION = "qfunction"


def local_policies(tasks: TaskList) -> dict[str, Policy]:
    """Policies without a network, by name, with the camera of params/policy_node.yaml."""
    return {
        "random": RandomPolicy(),
        "scripted_pick": ScriptedPick(calibrated_camera()),
        "scripted_place": ScriptedPlace(tasks),
        "scripted_put_down": ScriptedPlace(tasks, PUT_DOWN),
    }


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
        InputError: It is missing, damaged or of other tasks.
    """
    from mtopt_learning.policy.policy_mux import PolicyMux
    from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy

    policy = QFunctionPolicy(tasks=tasks.names, config=ActConfig(epsilon=epsilon))
    policy.load(checkpoint)
    return PolicyMux({QFUNCTION: policy})


def check_policy(name: str, checkpoint: Path | None) -> None:
    """Raises `InputError` for a policy that nobody serves."""
    from mtopt_control.schedule.scheduler import BOOTSTRAP

    known = (BOOTSTRAP, QFUNCTION, "random", "scripted_pick", "scripted_place", "scripted_put_down")
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


def goal_fingerprint(checkpoint: Path, tasks: TaskList, camera: str) -> str:
    """The fingerprint of a Q-function's checkpoint that reaches goals of a camera.

    Raises:
        InputError: It knows no goals, or those of another camera.
    """
    from mtopt_learning.checkpoint.q_function import load_q_function

    q_function = load_q_function(checkpoint, tasks=tasks.names)
    _check_goal_camera(q_function.network.goal_camera, camera, checkpoint)
    return q_function.fingerprint


def goal_picture_size(checkpoint: Path | None, camera: str) -> tuple[int, int]:
    """(height_px, width_px) of a camera's goal pictures.

    Args:
        checkpoint: Of the Q-function that is to reach them; None: as observations have it.
        camera: Its name.

    Raises:
        InputError: The Q-function knows no goals of this camera, or there is no such camera.
    """
    if checkpoint is None:
        if camera not in DEFAULT_IMAGE_SIZES:
            raise InputError(
                "--camera", where="arguments", got=camera, expected=list(DEFAULT_IMAGE_SIZES)
            )
        return DEFAULT_IMAGE_SIZES[camera]
    from mtopt_learning.checkpoint.q_function import load_q_function

    q_function = load_q_function(checkpoint)
    _check_goal_camera(q_function.network.goal_camera, camera, checkpoint)
    return tuple(q_function.cameras[camera])


def _check_goal_camera(known: str, camera: str, checkpoint: Path) -> None:
    if known != camera:
        raise InputError(
            "checkpoint", where=checkpoint,
            got=f"goals of the {known} camera" if known else "one not trained to reach goals",
            expected=f"one that reaches goals of the {camera} camera",
        )  # fmt: skip


def success_judge(checkpoint: Path, tasks: TaskList) -> SuccessJudge:
    """The success detector of a checkpoint.

    Raises:
        InputError: It is missing, damaged or of other tasks.
    """
    from mtopt_learning.success.detector import SuccessDetector

    return SuccessDetector.load(checkpoint, tasks.names)
