"""A pick with exact knowledge of the scene: it tests the physics, and is no policy."""

from __future__ import annotations

import mujoco
import numpy as np

from mtopt_sim.station import Station

PERIOD_S = 0.2
STEP_M = 0.06


class ExactArm:
    """Moves the tool of a station in straight lines, tool down, in control periods of 0.2 s."""

    def __init__(self, station: Station):
        self._station = station
        self._model, self._data = station.model, mujoco.MjData(station.model)
        self._site = self._model.site(f"{station.robot}/tool0").id
        self._dofs = [self._model.joint(f"{station.robot}/{n}").dofadr[0] for n in self._arm]
        self._qpos = [self._model.joint(f"{station.robot}/{n}").qposadr[0] for n in self._arm]
        self.start()

    @property
    def _arm(self):
        return self._station.joint_names[:-1]

    def start(self) -> None:
        """Takes over the arm as it stands."""
        state = self._station.joint_state()
        self.joints = state.position[:7].copy()
        self.finger = 0.05
        self.position, self.azimuth = self.tool()

    def tool(self) -> tuple[np.ndarray, float]:
        """Measured position (3,) and azimuth of the tool in the bin's frame."""
        data = self._station.data
        mujoco.mj_kinematics(self._station.model, data)
        bin_pose = self._station.pose_base_bin
        position = (data.site_xpos[self._site] - bin_pose[:3, 3]) @ bin_pose[:3, :3]
        x_axis = data.site_xmat[self._site].reshape(3, 3)[:, 0]
        return position, float(np.arctan2(x_axis[1], x_axis[0]))

    def solve(self, position, azimuth) -> np.ndarray:
        """(7,) joints that bring the tool there, from the last solution on."""
        data, model = self._data, self._model
        bin_pose = self._station.pose_base_bin
        target = bin_pose[:3, :3] @ position + bin_pose[:3, 3]
        c, s = np.cos(azimuth), np.sin(azimuth)
        rotation = np.array([[c, s, 0], [s, -c, 0], [0, 0, -1.0]])
        q = self.joints.copy()
        jac = np.zeros((6, model.nv))
        for _ in range(100):
            data.qpos[self._qpos] = q
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            now = data.site_xmat[self._site].reshape(3, 3)
            twist = 0.5 * sum(np.cross(now[:, i], rotation[:, i]) for i in range(3))
            error = np.concatenate([target - data.site_xpos[self._site], twist])
            if np.linalg.norm(error) < 1e-6:
                break
            mujoco.mj_jacSite(model, data, jac[:3], jac[3:], self._site)
            j = jac[:, self._dofs]
            q = q + j.T @ np.linalg.solve(j @ j.T + 1e-6 * np.eye(6), error)
        return q

    def go(self, position=None, azimuth=None, finger=None, step_m=STEP_M) -> None:
        """Goes there in as many periods as it takes."""
        position = self.position if position is None else np.asarray(position, float)
        azimuth = self.azimuth if azimuth is None else azimuth
        self.finger = self.finger if finger is None else finger
        way, turn = position - self.position, azimuth - self.azimuth
        periods = max(1, int(np.ceil(max(np.abs(way).max() / step_m, abs(turn) / 0.3))))
        start, start_azimuth = self.position, self.azimuth
        for i in range(1, periods + 1):
            part = i / periods
            self.position, self.azimuth = start + part * way, start_azimuth + part * turn
            self.joints = self.solve(self.position, self.azimuth)
            point = np.append(self.joints, self.finger)[None]
            self._station.command_trajectory(point, np.zeros_like(point), np.array([PERIOD_S]))
            self._station.advance(PERIOD_S)


def grasp_azimuth(station: Station, name: str) -> float:
    """The azimuth at which the fingers close over an object's narrow side."""
    data, model = station.data, station.model
    body = model.body(f"{station.robot}_{name}/{name}").id
    axes = data.xmat[body].reshape(3, 3)
    # The objects are longest along their own x; the fingers open along the tool's y.
    long = axes[:, 0] if abs(axes[2, 0]) < 0.9 else axes[:, 1]
    azimuth = np.arctan2(long[1], long[0])
    return float((azimuth + np.pi / 2) % np.pi - np.pi / 2)


def pick(station: Station, arm: ExactArm, name: str, *, shake: bool = True) -> tuple[bool, bool]:
    """Grasps and lifts an object; (lifted, still held after shaking)."""
    truth = station.truth()
    place = truth.position_bin_m[truth.names.index(name)].copy()
    azimuth = grasp_azimuth(station, name)
    low = max(place[2], 0.019)
    arm.go([place[0], place[1], low + 0.08], azimuth)
    arm.go([place[0], place[1], low])
    arm.go(finger=0.0)
    arm.go()
    arm.go([place[0], place[1], 0.2])
    lifted = _held(station, name)
    if shake and lifted:
        arm.go([0, 0, 0.2])
        for way in (0.05, -0.05) * 3:
            arm.go(arm.position + [way, 0, 0])
            arm.go(arm.position + [0, way, 0])
        arm.go(arm.position + [0, 0, 0.05])
        arm.go(arm.position - [0, 0, 0.05])
    return lifted, lifted and _held(station, name)


def _held(station: Station, name: str) -> bool:
    truth = station.truth()
    index = truth.names.index(name)
    return bool(truth.held[index] and truth.position_bin_m[index, 2] > 0.06)
