"""One station of the cell as a Gymnasium environment: `mtopt/BinCell-v0`.

`gymnasium.make("mtopt_bringup.gym_env:mtopt/BinCell-v0", task="lift-any")`; several at once with
`gymnasium.make_vec(...)`. The arm, its safety clamp, pictures and labels are the cell's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf
from mtopt_sim.labels import label_tasks
from mtopt_sim.station import Station
from mtopt_spec.action import (
    ACTION_SIZE,
    CONTROL_PERIOD_S,
    MAX_AZIMUTH_RAD,
    MAX_STEPS,
    MAX_TRANSLATION_M,
    Action,
)
from mtopt_spec.image_codec import decode_jpeg, encode_jpeg
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES, STATE_SIZE, Observation
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder
from mtopt_spec.task import load_tasks

ENV_ID = "mtopt/BinCell-v0"
_CLOSE, _OPEN = 5, 6


class BinCellEnv(gymnasium.Env):
    """A robot over a bin with five objects.

    Observation: `shoulder` (64, 64, 3) and `wrist` (32, 32, 3) uint8 RGB, as a bag holds them, and
    `state` (7,) float32 (`mtopt_spec.observation.STATE_NAMES`).

    Action: (8,) float32 [dx, dy, dz (m), sin, cos of the turn, close, open, terminate]; a flag
    counts from 0.5 on, of close and open the larger one. The safety clamp has the last word.

    Reward: 1 at the end of an episode that fulfils the task by the simulator's truth, else 0.
    Terminated by the action's flag; truncated after 20 steps (then not terminal).

    Info: `success` {task: bool} for all tasks, `clamped`, `error` of the arm.

    Args:
        task: Name of a task of params/tasks.yaml. A task that starts with a held object starts
            here with an empty gripper as well.
        robot: Name of the robot in the world file.
        world: World file; None takes the installed one.
        render_mode: None or `rgb_array`: the shoulder camera's picture.

    Raises:
        InputError: The task is unknown or a file is broken.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_PERIOD_S)}

    def __init__(
        self,
        task: str = "lift-any",
        robot: str = "robot_1",
        world: str | Path | None = None,
        render_mode: str | None = None,
    ):
        self._tasks = load_tasks(share_dir() / "params" / "tasks.yaml")
        self._task = self._tasks.named(task)
        self._robot = load_robot(worlds_robot_folder())
        self._urdf = read_urdf(self._robot.urdf)
        self._station = Station(None if world is None else Path(world), robot)
        self._arm = ArmCore(self._robot, self._urdf)
        self._steps = 0
        self.render_mode = render_mode
        pictures = {
            name: gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8)
            for name, size in DEFAULT_IMAGE_SIZES.items()
        }
        state = gymnasium.spaces.Box(-2.0, 2.0, (STATE_SIZE,), np.float32)
        self.observation_space = gymnasium.spaces.Dict({**pictures, "state": state})
        turn = [np.sin(MAX_AZIMUTH_RAD), np.cos(MAX_AZIMUTH_RAD)]
        low = [-MAX_TRANSLATION_M] * 3 + [-turn[0], turn[1], 0, 0, 0]
        high = [MAX_TRANSLATION_M] * 3 + [turn[0], 1, 1, 1, 1]
        self.action_space = gymnasium.spaces.Box(
            np.array(low, np.float32), np.array(high, np.float32), (ACTION_SIZE,)
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """A new scene, the arm at home; `options`: `objects`, names of those in the bin."""
        super().reset(seed=seed)
        self._station.reset(int(self.np_random.integers(2**62)), **(options or {}))
        self._arm = ArmCore(self._robot, self._urdf)
        self._steps = 0
        return self._observe(), self._info()

    def step(self, action):
        """One control period of 0.2 s."""
        vector = np.array(action, np.float32)
        if vector.shape == (ACTION_SIZE,) and min(vector[_CLOSE], vector[_OPEN]) >= 0.5:
            vector[_OPEN if vector[_CLOSE] >= vector[_OPEN] else _CLOSE] = 0.0
        wanted = Action.from_vector(vector)
        sent, trajectory = self._arm.step(wanted, self._station.joint_state(), self._station.time_s)
        self._station.command_trajectory(
            trajectory.positions, trajectory.velocities, trajectory.times_s
        )
        self._station.advance(CONTROL_PERIOD_S)
        self._steps += 1
        info = self._info()
        info.update(clamped=sent.clamped, error=sent.error.name)
        terminated = wanted.terminate
        truncated = not terminated and self._steps >= MAX_STEPS
        success = info["success"][self._task.name]
        reward = float(success) if terminated or truncated else 0.0
        return self._observe(), reward, terminated, truncated, info

    def render(self):
        """(64, 64, 3) uint8 RGB of the shoulder camera."""
        return self._station.render("shoulder") if self.render_mode == "rgb_array" else None

    def _observe(self) -> dict[str, np.ndarray]:
        jpeg = {name: encode_jpeg(self._station.render(name)) for name in DEFAULT_IMAGE_SIZES}
        seen: Observation = self._arm.observation(self._station.joint_state(), jpeg)
        pictures = {name: decode_jpeg(data) for name, data in seen.images_jpeg.items()}
        return {**pictures, "state": seen.state()}

    def _info(self) -> dict[str, Any]:
        return {"success": label_tasks(self._station.truth(), self._tasks)}


if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, entry_point=BinCellEnv)
