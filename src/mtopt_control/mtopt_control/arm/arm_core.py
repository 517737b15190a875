"""The arm: one action in, what was sent and its trajectory out, once a control period."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mtopt_control.arm.clamp import Motion, SafetyClamp
from mtopt_control.arm.kinematics import robot_kinematics
from mtopt_control.arm.outputs import finger_way_m
from mtopt_control.arm.signs import MaxAges, Reason, Signs, is_fresh, overload, silence
from mtopt_control.arm.time_law import SLOWS_FROM, braking
from mtopt_control.arm.trajectory import Trajectory, rest_of
from mtopt_spec.action import CONTROL_PERIOD_S, HOLD, Action, ArmError, Kind, SentAction
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.observation import MAX_OPENING_M, Observation
from mtopt_spec.robot import RobotConfig

_ARRIVED_RAD = 1e-4
_ARRIVED_M = 1e-4
_RISE_SLACK_M = 0.03
_AT_REST_RAD_S = 0.1
_LEVEL_RAD = 0.05
_BEYOND_RAD = 0.1
"""A reading so far beyond a joint's limits is none."""
_NO_READING = (ArmError.STALE_STATE, "no joint state with finite numbers")


@dataclass(frozen=True)
class _UnderWay:
    """A motion that was sent: from `start` to `end`, (joints + 1,), in a control period.

    Attributes:
        rest: Where it comes to rest: at its end, or before where it was braked.
        began_s, over_s: When it was sent, and when it is at rest.
        answers: It answers an observation.
    """

    start: np.ndarray
    end: np.ndarray
    rest: np.ndarray
    began_s: float
    over_s: float
    answers: bool
    braked: bool = False


class ArmCore:
    """Turns actions into trajectories behind the safety clamp.

    It counts from the posture that it commanded last, so that sagging under a load does not add
    up; where the measured posture is far from that one (a collision), it gives way and reports it.
    Where it must hold, an arm that is so far off was moved by somebody: it is not pulled back.
    Where time runs freely, an arm at rest that must hold is sent nothing, and one that nobody has
    moved for a period is counted from where it rests: its driver may have been started again.

    Args:
        robot: The robot's file.
        urdf: Text of its URDF.
        period_s: Control period.
        max_tracking_error_rad: Largest distance of a measured joint from the commanded one.
        max_heartbeat_age_s, max_camera_age_s, max_observation_age_s: Of `Signs`.
        time_waits: A simulator waits for a trajectory after every action. Else time runs freely.

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
        max_heartbeat_age_s: float = math.inf,
        max_camera_age_s: float = math.inf,
        max_observation_age_s: float = math.inf,
        time_waits: bool = True,
    ):
        self.robot = robot
        self._kinematics = robot_kinematics(robot, urdf)
        in_arm = robot.gripper.topic == robot.trajectory_topic
        if in_arm and robot.finger_joint not in self._kinematics.urdf_joint_names:
            raise InputError(
                "joints",
                where=f"URDF of robot {robot.name}",
                got=f"none named {robot.finger_joint}",
                expected="the finger joint, which is in the arm's trajectory",
            )
        self._clamp = SafetyClamp(robot, self._kinematics, period_s)
        self._max_tracking_error_rad = max_tracking_error_rad
        self._time_waits = time_waits
        self._home_posture = np.array(robot.home_position, float)
        self._retract = np.array(robot.retract_position, float)
        self._home_goals: dict[tuple[float, float, float], np.ndarray] = {}
        self._joint_order: tuple[tuple[str, ...], np.ndarray] | None = None
        self.stopped = False
        self.gripper_command: bool | None = None
        """Close, or open; None: nobody has asked yet, and it stays as it is."""
        self._finger_goal = robot.finger_open_m
        self._commanded: np.ndarray | None = None
        self._finger: float | None = None
        self._max_ages = MaxAges(
            robot.max_state_age_s, max_heartbeat_age_s, max_camera_age_s, max_observation_age_s
        )
        self._under_way: _UnderWay | None = None
        self._interrupted: Reason | None = None
        self._newest_s = -math.inf

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Joints of a trajectory: the arm's, then the finger's."""
        return (*self.robot.arm_joints, self.robot.finger_joint)

    @property
    def free_at_s(self) -> float:
        """When the motion under way is over; minus infinity where there is none."""
        return -math.inf if self._under_way is None else self._under_way.over_s

    @property
    def gripper_closed(self) -> bool:
        """It was told to close last."""
        return bool(self.gripper_command)

    def counts_anew(self, now_s: float) -> bool:
        """True where a motion now starts at the measured posture, not at the commanded one."""
        idle = not self._time_waits and now_s - self.free_at_s > self._clamp.period_s
        return self._commanded is None or idle

    def stop(self) -> None:
        """Holds from now on, whatever is asked for; `watch` brakes what is under way."""
        self.stopped = True

    def resume(self) -> None:
        """Moves again, counting from wherever the arm is now."""
        self.stopped = False
        self._commanded = None

    def begin_anew(self) -> None:
        """Time has gone back: nobody knows how far a motion has come, or where the arm is."""
        self._under_way = self._commanded = None

    def step(
        self,
        action: Action,
        joint_state: JointState,
        now_s: float,
        signs: Signs | None = None,
        flaw: str = "",
    ) -> tuple[SentAction, Trajectory]:
        """Carries out an action for one control period.

        Args:
            action: What is asked for.
            joint_state: The newest reading.
            now_s: Time on the clock of its stamp.
            signs: The newest signs of life; None where the caller itself looks and acts.
            flaw: Why the action that was asked for could not even be read: the arm holds.

        Returns:
            What was sent, and its trajectory: without points where no reading was ever fresh,
            where a motion is under way that goes on, where somebody moved a held arm, or where
            time runs freely and an arm at rest must hold.

        Raises:
            InputError: The reading lacks a joint of the robot's file.
        """
        measured = self._measured(joint_state)
        signs = signs or Signs.of_now(joint_state.stamp_s, now_s)
        self._notice_time(now_s)
        moves = self._moves(now_s)
        answers = self._under_way.answers if moves else action.kind == Kind.STEP
        reason = self._hazard(joint_state, measured, signs, now_s, answers)
        if moves:
            if reason is not None:
                return self._brake(reason, now_s)
            busy = f"a motion is under way for {self.free_at_s - now_s:.3f} s more"
            return self._nothing(ArmError.BUSY, busy, self._under_way.rest)
        if self._interrupted is not None and reason is None and action.kind != Kind.HOLD:
            reason = self._interrupted
        if self.counts_anew(now_s):
            if (unknown := self._no_start(joint_state, measured, signs, now_s)) is not None:
                return self._nothing(*(reason or unknown), measured)
            self._commanded = measured[:-1]
            if self._finger is None:  # later on it keeps its command, and so what it holds
                self._finger = self._finger_goal = float(measured[-1])
        start = self._commanded
        astray = float(np.abs(measured[:-1] - start).max())
        if reason is not None and reason[0] != ArmError.EFFORT:
            if self._max_tracking_error_rad < astray < math.inf:  # moved by hand, or fallen
                self._commanded = None
                return self._nothing(*reason, measured)
            return self._hold(Motion(start, True, *reason), now_s)
        if reason is None and astray > self._max_tracking_error_rad:
            text = f"a joint is {astray:.3f} rad from its command: giving way"
            reason = ArmError.TRACKING, text
        if reason is not None:
            motion = self._clamp.toward_posture(start, measured[:-1], self._finger, boxed=True)
            return self._hold(Motion(motion.end, True, *reason), now_s)
        if (problem := flaw or action.problem()) is not None:
            return self._hold(Motion(start, True, ArmError.INVALID_ACTION, problem), now_s)
        self._interrupted = None
        level = self._tilt_rad(joint_state) <= _LEVEL_RAD  # not where its angle is no number
        if action.kind in (Kind.STEP, Kind.HOME) and not level:
            text = "the bin is tilted: no way into it"
            return self._hold(Motion(start, True, ArmError.LIMITS, text), now_s)
        return self._carry_out(action, start, now_s)

    def watch(
        self, joint_state: JointState, now_s: float, signs: Signs
    ) -> tuple[SentAction, Trajectory] | None:
        """Brakes the motion under way where it may not go on.

        To be called often where time runs freely: every some ten milliseconds.

        Returns:
            What was really sent in place of the action's whole motion, and the trajectory that
            stops it: without points where it slows down already. None where nothing is to be done.
        """
        measured = self._measured(joint_state)
        self._notice_time(now_s)
        if not self._moves(now_s) or self._under_way.braked:
            return None
        reason = self._hazard(joint_state, measured, signs, now_s, self._under_way.answers)
        return None if reason is None else self._brake(reason, now_s)

    def _notice_time(self, now_s: float) -> None:
        if now_s < self._newest_s - 1e-6:
            self.begin_anew()
        self._newest_s = now_s

    def _moves(self, now_s: float) -> bool:
        return now_s < self.free_at_s - 1e-6

    def _hazard(
        self,
        joint_state: JointState,
        measured: np.ndarray,
        signs: Signs,
        now_s: float,
        answers: bool,
    ) -> Reason | None:
        """Why the arm must hold, whatever is asked for; None when it may move."""
        if self.stopped:
            return ArmError.STOPPED, "stopped: call the resume service to go on"
        if not all(map(math.isfinite, measured.tolist())):
            return _NO_READING
        effort = joint_state.effort[self._joint_order[1]][:-1]
        return silence(signs, self._max_ages, now_s, answers=answers) or overload(
            effort, self.robot.max_effort
        )

    def _no_start(
        self, joint_state: JointState, measured: np.ndarray, signs: Signs, now_s: float
    ) -> Reason | None:
        """Why the reading is nothing to count from; None where the arm rests there now."""
        if not np.isfinite(measured).all():
            return _NO_READING
        if not is_fresh(now_s - signs.joint_state_s, self._max_ages.joint_state_s):
            return ArmError.STALE_STATE, "no fresh joint state"
        if np.any(np.abs(joint_state.velocity[self._joint_order[1]][:-1]) > _AT_REST_RAD_S):
            return ArmError.STALE_STATE, "the arm still moves: it counts from where it rests"
        low, high = self._kinematics.position_low, self._kinematics.position_high
        beyond = np.maximum(low - measured[:-1], measured[:-1] - high)
        if np.any(beyond > _BEYOND_RAD):
            joint = int(beyond.argmax())
            return ArmError.STALE_STATE, (
                f"{self.robot.arm_joints[joint]} reads {measured[joint]:.3f} rad, its limits are"
                f" {low[joint]:.3f} to {high[joint]:.3f}: does its driver publish radians?"
            )
        return None

    def _tilt_rad(self, joint_state: JointState) -> float:
        """Of the bin; 0 where nobody measures it."""
        name = self.robot.hinge_joint
        if name not in joint_state.names:
            return 0.0
        return abs(float(joint_state.position[joint_state.names.index(name)]))

    def _brake(self, reason: Reason, now_s: float) -> tuple[SentAction, Trajectory]:
        """Slows the motion under way down to a hold, on its own way and within its limits."""
        way, self._interrupted = self._under_way, reason
        self._under_way = replace(way, braked=True)
        tau = (now_s - way.began_s) / self._clamp.period_s
        if way.braked or tau >= SLOWS_FROM:
            return self._nothing(*reason, way.rest)
        knots = braking(tau)
        trajectory = rest_of(self.joint_names, way.start, way.end, self._clamp.period_s, tau, knots)
        rest = trajectory.positions[-1]
        over_s = now_s + float(trajectory.times_s[-1])
        self._under_way = replace(way, rest=rest, over_s=over_s, braked=True)
        self._commanded, self._finger = rest[:-1], float(rest[-1])
        return SentAction(HOLD, True, rest, False, *reason), trajectory

    def _nothing(
        self, error: ArmError, error_msg: str, rest: np.ndarray
    ) -> tuple[SentAction, Trajectory]:
        """An answer without a trajectory: what is under way, if anything, comes to `rest`."""
        nothing = np.empty((0, len(self.joint_names)))
        sent = SentAction(HOLD, True, rest, False, error, error_msg)
        return sent, Trajectory(self.joint_names, nothing, nothing, np.empty(0))

    def _hold(self, motion: Motion, now_s: float) -> tuple[SentAction, Trajectory]:
        """What is refused is a hold of the fingers too; at rest it holds by itself."""
        if not self._time_waits and np.array_equal(motion.end, self._commanded):
            rest = np.append(self._commanded, self._finger)
            return self._nothing(motion.error, motion.error_msg, rest)
        return self._send(HOLD, motion, now_s, self._finger)

    def _carry_out(
        self, action: Action, start: np.ndarray, now_s: float
    ) -> tuple[SentAction, Trajectory]:
        terminates = action.kind == Kind.STEP and action.terminate
        if not terminates and (action.close or action.open):
            self.gripper_command = action.close
            robot = self.robot
            self._finger_goal = robot.finger_closed_m if action.close else robot.finger_open_m
        goal = None
        if action.kind == Kind.HOLD:
            motion = Motion(start, False)
        elif terminates:
            still = Action(Kind.STEP, terminate=True)
            action, motion = still, Motion(start, still != action)
        elif action.kind == Kind.STEP:
            way = (*action.translation_m, action.azimuth_rad)
            motion = self._clamp.toward_pose(start, way, self._widest_m())
            action = self._what_was_left(action, start, motion)
        else:
            goal = self._retract if action.kind == Kind.RETRACT else self._home_goal(action)
            motion = self._on_the_way(start, goal)
        return self._send(action, motion, now_s, self._finger_goal, goal)

    def _widest_m(self) -> float:
        """Position of the finger joint on the way."""
        return max(self._finger, self._finger_goal)

    def _on_the_way(self, start: np.ndarray, goal: np.ndarray) -> Motion:
        """Straight up out of the bin first, then all joints together."""
        rise = self.robot.home_height_m - self._kinematics.pose(start)[2]
        if rise > _RISE_SLACK_M and self._kinematics.tilt_rad(start) < 0.1:
            motion = self._clamp.toward_pose(start, (0.0, 0.0, rise, 0.0), self._widest_m())
            if motion.error in (ArmError.NONE, ArmError.LIMITS) and np.any(motion.end != start):
                return Motion(motion.end, motion.clamped)
        return self._clamp.toward_posture(start, goal, self._widest_m())

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
        self,
        action: Action,
        motion: Motion,
        now_s: float,
        finger_goal: float,
        goal: np.ndarray | None = None,
    ) -> tuple[SentAction, Trajectory]:
        start = np.append(self._commanded, self._finger)
        trajectory = self._clamp.trajectory(self._commanded, motion.end, self._finger, finger_goal)
        rest = trajectory.positions[-1]
        self._under_way = _UnderWay(
            start, rest, rest, now_s, now_s + self._clamp.period_s, action.kind == Kind.STEP
        )
        self._commanded, self._finger = motion.end, float(rest[-1])
        arrived = (
            goal is not None
            and float(np.abs(motion.end - goal).max()) < _ARRIVED_RAD
            and abs(self._finger - self._finger_goal) < _ARRIVED_M
        )
        sent = SentAction(
            action,
            motion.clamped,
            rest,
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

    def check_joints(self, names: tuple[str, ...]) -> None:
        """Raises `InputError` where a reading of these joints lacks one of the robot's file."""
        if self._joint_order is not None and self._joint_order[0] == names:
            return
        missing = [name for name in self.joint_names if name not in names]
        if missing:
            raise InputError(
                "joint_states",
                where=f"robot {self.robot.name}",
                got=f"no {missing} among {list(names)}",
                expected=f"{list(self.joint_names)}",
                todo="let the driver publish them, or correct the robot's file",
            )
        self._joint_order = names, np.array([names.index(name) for name in self.joint_names])

    def _measured(self, joint_state: JointState) -> np.ndarray:
        """(joints + 1,) positions in the order of `joint_names`; the finger's in m of its way."""
        self.check_joints(joint_state.names)
        measured = np.asarray(joint_state.position, float)[self._joint_order[1]]
        measured[-1] = finger_way_m(self.robot, float(measured[-1]))
        return measured
