"""Puts objects into the picking area: dropped at random poses, then left to come to rest."""

from __future__ import annotations

import mujoco
import numpy as np

from mtopt_sim.sim_params import SimParams

_TRIES = 200


def drop_objects(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    rng: np.random.Generator,
    qpos_addresses: list[int],
    pose_bin: np.ndarray,
    params: SimParams,
) -> None:
    """Drops objects into the picking area and runs the physics until they rest.

    Args:
        model: The scene.
        data: Its state; every object's pose in `qpos` is overwritten.
        rng: Draws places and turns.
        qpos_addresses: Of each object's free joint.
        pose_bin: (4, 4) of the bin's frame.
        params: Radius, height, spacing, longest time.
    """
    poses = drop_poses(rng, len(qpos_addresses), pose_bin, params)
    for address, pose in zip(qpos_addresses, poses):
        data.qpos[address : address + 7] = pose
    steps = int(params.settle_s / model.opt.timestep)
    dofs = np.array(
        [model.jnt_dofadr[j] for j in range(model.njnt) if model.jnt_qposadr[j] in qpos_addresses],
        int,
    )
    dofs = (dofs[:, None] + np.arange(6)).ravel()
    for step in range(steps):
        mujoco.mj_step(model, data)
        if step % 25 == 24 and np.all(np.abs(data.qvel[dofs]) < 0.01):
            break


def drop_poses(
    rng: np.random.Generator, count: int, pose_bin: np.ndarray, params: SimParams
) -> np.ndarray:
    """Where objects are let go over the picking area.

    Args:
        rng: Draws places and turns.
        count: Of the objects.
        pose_bin: (4, 4) of the bin's frame; the poses are in the same one.
        params: Radius, height, spacing.

    Returns:
        (count, 7) positions (m) and quaternions (wxyz).
    """
    poses = np.empty((count, 7))
    for pose, (x, y) in zip(poses, _places(rng, count, params)):
        pose[:3] = pose_bin[:3, :3] @ [x, y, params.drop_height_m] + pose_bin[:3, 3]
        pose[3:] = _turn(rng)
    return poses


def _places(rng: np.random.Generator, count: int, params: SimParams) -> np.ndarray:
    """(count, 2) places in the picking area, apart from each other as far as there is room."""
    spacing = params.drop_spacing_m
    while True:
        places: list[np.ndarray] = []
        for _ in range(_TRIES):
            if len(places) == count:
                return np.array(places).reshape(count, 2)
            place = rng.uniform(-params.drop_radius_m, params.drop_radius_m, 2)
            if all(np.linalg.norm(place - other) >= spacing for other in places):
                places.append(place)
        spacing *= 0.9


def _turn(rng: np.random.Generator) -> np.ndarray:
    """Quaternion (wxyz): any turn about z, and a little about x and y."""
    yaw = rng.uniform(-np.pi, np.pi)
    axis = np.append(rng.uniform(-0.2, 0.2, 2), yaw)
    turn, tilt, quat = np.empty(4), np.empty(4), np.empty(4)
    mujoco.mju_axisAngle2Quat(turn, np.array([0.0, 0.0, 1.0]), yaw)
    size = np.linalg.norm(axis[:2])
    mujoco.mju_axisAngle2Quat(tilt, np.append(axis[:2] / size, 0.0), size)
    mujoco.mju_mulQuat(quat, tilt, turn)
    return quat
