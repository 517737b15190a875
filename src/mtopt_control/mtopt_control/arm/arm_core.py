"""The arm: one action in, what was sent and its trajectory out, once a control period."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mtopt_control.arm.clamp import Motion, SafetyClamp, is_fresh, refusal
from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_control.arm.trajectory import Trajectory
from mtopt_spec.action import CONTROL_PERIOD_S, HOLD, Action, ArmError, Kind, SentAction
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.observation import MAX_OPENING_M, Observation
from mtopt_spec.robot import RobotConfig

_ARRIVED_RAD = 1e-4
_ARRIVED_M = 1e-4
_RISE_SLACK_M = 0.03


class ArmCore:
    """Turns actions into trajectories behind the safety clamp.

    It counts from the posture that it commanded last, so that sagging under a load does not add
    up; where the measured posture is far from that one (a collision), it gives way and reports it.

    Args:
        robot: The robot's file.
        urdf: Text of its URDF.
        period_s: Control period.
        max_tracking_error_rad: Largest distance of a measured joint from the commanded one.

    Raises:
        InputError: The URDF lacks a named joint or link, or a limit contradicts it.
    """

    def __init__(
        self,
        robot: RobotConfig,
        urdf: str,
        *,
        period_s: float = CONTROL_PERIOD_S,
        max_tracking_error_rad: float = 0.2,
    ):
        self.robot = robot
        self._kinematics = ArmKinematics(
            urdf,
            robot.arm_joints,
            robot.base_link,
            robot.tool_link,
            robot.bin_position_base_m,
        )
        missing = [
            name for name in (robot.finger_joint,) if name not in self._kinematics.urdf_joint_names
        ]
        if missing:
            raise InputError(
                "joints",
                where=f"URDF of robot {robot.name}",
                got=f"none named {missing}",
                expected="the finger joint of the robot's file",
            )
        self._clamp = SafetyClamp(robot, self._kinematics, period_s)
        self._max_tracking_error_rad = max_tracking_error_rad
        self._home_posture = np.array(robot.home_position, float)
        self._retract = np.array(robot.retract_position, float)
        self._home_goals: dict[tuple[float, float, float], np.ndarray] = {}
        self._joint_order: tuple[tuple[str, ...], np.ndarray] | None = None
        self.stopped = False
        self.gripper_closed = False
        self._finger_goal = robot.finger_open_m
        self._commanded: np.ndarray | None = None
        self._finger = robot.finger_open_m

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Joints of a trajectory: the arm's, then the finger's."""
        return (*self.robot.arm_joints, self.robot.finger_joint)

    def stop(self) -> None:
        """Holds from now on, whatever is asked for."""
        self.stopped = True

    def resume(self) -> None:
        """Moves again, counting from wherever the arm is now."""
        self.stopped = False
        self._commanded = None

    def step(
        self, action: Action, joint_state: JointState, now_s: float
    ) -> tuple[SentAction, Trajectory]:
        """Carries out an action for one control period.

        Args:
            action: What is asked for.
            joint_state: The newest reading.
            now_s: Time on the clock of its stamp.

        Returns:
            What was sent, and its trajectory: without points where no reading was ever fresh.

        Raises:
            InputError: The reading lacks a joint of the robot's file.
        """
        measured = self._measured(joint_state)
        finite = all(map(math.isfinite, measured.tolist()))
        age_s = now_s - joint_state.stamp_s if finite else math.inf
        refused = refusal(
            action,
            state_age_s=age_s,
            max_state_age_s=self.robot.max_state_age_s,
            stopped=self.stopped,
        )
        if self._commanded is None:
            if not is_fresh(age_s, self.robot.max_state_age_s):
                error, error_msg = refused or (ArmError.STALE_STATE, "no fresh joint state")
                nothing = np.empty((0, len(self.joint_names)))
                sent = SentAction(HOLD, True, measured, False, error, error_msg)
                return sent, Trajectory(self.joint_names, nothing, nothing, np.empty(0))
            self._commanded, self._finger = measured[:-1], float(measured[-1])
        start = self._commanded
        if refused is not None:
            return self._send(HOLD, Motion(start, True, *refused))
        astray = float(np.abs(measured[:-1] - start).max())
        if astray > self._max_tracking_error_rad:
            motion = self._clamp.toward_posture(start, measured[:-1])
            text = f"a joint is {astray:.3f} rad from its command: giving way"
            return self._send(HOLD, Motion(motion.end, True, ArmError.TRACKING, text))
        return self._carry_out(action, start)

    def _carry_out(self, action: Action, start: np.ndarray) -> tuple[SentAction, Trajectory]:
        terminates = action.kind == Kind.STEP and action.terminate
        if not terminates and (action.close or action.open):
            self.gripper_closed = action.close
            robot = self.robot
            self._finger_goal = robot.finger_closed_m if action.close else robot.finger_open_m
        if action.kind == Kind.HOLD:
            return self._send(action, Motion(start, False))
        if terminates:
            still = Action(Kind.STEP, terminate=True)
            return self._send(still, Motion(start, still != action))
        if action.kind == Kind.STEP:
            motion = self._clamp.toward_pose(start, (*action.translation_m, action.azimuth_rad))
            return self._send(self._what_was_left(action, start, motion), motion)
        goal = self._retract if action.kind == Kind.RETRACT else self._home_goal(action)
        return self._send(action, self._on_the_way(start, goal), goal)

    def _on_the_way(self, start: np.ndarray, goal: np.ndarray) -> Motion:
        """Straight up out of the bin first, then all joints together."""
        rise = self.robot.home_height_m - self._kinematics.pose(start)[2]
        if rise > _RISE_SLACK_M and self._kinematics.tilt_rad(start) < 0.1:
            motion = self._clamp.toward_pose(start, (0.0, 0.0, rise, 0.0))
            if motion.error in (ArmError.NONE, ArmError.LIMITS) and np.any(motion.end != start):
                return Motion(motion.end, motion.clamped)
        return self._clamp.toward_posture(start, goal)

    def _home_goal(self, action: Action) -> np.ndarray:
        """(joints,) of the home pose plus the action's offset, cut to the workspace."""
        offset = action.home_offset_m
        if offset not in self._home_goals:
            robot = self.robot
            position = np.clip(
                np.array([0.0, 0.0, robot.home_height_m]) + offset,
                robot.workspace_low_m,
                robot.workspace_high_m,
            )
            goal = self._kinematics.solve(np.array([*position, 0.0]), self._home_posture)
            if len(self._home_goals) > 100:
                self._home_goals.clear()
            self._home_goals[offset] = self._home_posture if goal is None else goal
        return self._home_goals[offset]

    def _what_was_left(self, action: Action, start: np.ndarray, motion: Motion) -> Action:
        """The action that the clamped motion amounts to; HOLD where nothing was done."""
        if not motion.clamped:
            return action
        before, after = self._kinematics.pose(start), self._kinematics.pose(motion.end)
        moved = after - before
        turned = float((moved[3] + np.pi) % (2.0 * np.pi) - np.pi)
        x, y, z = (float(value) for value in moved[:3])
        if motion.error == ArmError.NO_SOLUTION:
            return Action(Kind.HOLD, close=action.close, open=action.open)
        return Action(Kind.STEP, (x, y, z), turned, action.close, action.open)

    def _send(
        self, action: Action, motion: Motion, goal: np.ndarray | None = None
    ) -> tuple[SentAction, Trajectory]:
        trajectory = self._clamp.trajectory(
            self._commanded, motion.end, self._finger, self._finger_goal
        )
        self._commanded = motion.end
        self._finger = float(trajectory.positions[-1, -1])
        arrived = (
            goal is not None
            and float(np.abs(motion.end - goal).max()) < _ARRIVED_RAD
            and abs(self._finger - self._finger_goal) < _ARRIVED_M
        )
        sent = SentAction(
            action,
            motion.clamped,
            trajectory.positions[-1],
            arrived,
            motion.error,
            motion.error_msg,
        )
        return sent, trajectory

    def observation(self, joint_state: JointState, images_jpeg: Mapping[str, bytes]) -> Observation:
        """What a policy sees at a tick: a reading and the pictures of the same stamp."""
        measured = self._measured(joint_state)
        return Observation(
            joint_state.stamp_s,
            images_jpeg,
            self.gripper_closed,
            self._opening_m(float(measured[-1])),
            tuple(self._kinematics.pose(measured[:-1]).tolist()),
        )

    def _opening_m(self, finger_m: float) -> float:
        """Between the fingers, in [0, 0.1] m; a number that float32 holds."""
        opening = 2.0 * (finger_m - self.robot.finger_closed_m)
        return float(np.float32(min(max(opening, 0.0), MAX_OPENING_M)))

    def _measured(self, joint_state: JointState) -> np.ndarray:
        """(joints + 1,) positions in the order of `joint_names`."""
        if self._joint_order is None or self._joint_order[0] != joint_state.names:
            missing = [name for name in self.joint_names if name not in joint_state.names]
            if missing:
                raise InputError(
                    "joint_states",
                    where=f"robot {self.robot.name}",
                    got=f"no {missing} among {list(joint_state.names)}",
                    expected=f"{list(self.joint_names)}",
                    todo="let the driver publish them, or correct the robot's file",
                )
            order = np.array([joint_state.names.index(name) for name in self.joint_names])
            self._joint_order = (joint_state.names, order)
        return np.asarray(joint_state.position, float)[self._joint_order[1]]
