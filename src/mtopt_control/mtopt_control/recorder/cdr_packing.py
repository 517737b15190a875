"""Serialises the messages that an episode has many of, straight from the cell's dataclasses.

The bytes are those of ROS's own serialisation, without a message object in between, which costs
twenty times as much; what lies between two fields is zero. CDR (little endian) aligns each number
to its size, counted from behind the four bytes of encapsulation: `struct`'s native layout.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from mtopt_spec.action import Action, SentAction
from mtopt_spec.episode import JointState
from mtopt_spec.observation import Observation

_ENCAPSULATION = b"\x00\x01\x00\x00"
_NANOSECONDS = 1_000_000_000
_STAMP = struct.Struct("<iI")


class CdrPacker:
    """The messages of one robot's episode.

    Args:
        robot: Its namespace.
        episode_id: Of the episode.
    """

    def __init__(self, robot: str, episode_id: str):
        self._robot = robot
        self._frame = _text(f"{robot}/bin")
        self._episode = _text(episode_id)
        self._head = f"@iI{_format(self._frame)}"
        self._action = f"{self._head}{_format(self._episode)}HB3d2f3?"
        self._images: dict[str, bytes] = {}
        self._joints: tuple[tuple[str, ...], bytes, bytes] | None = None

    def compressed_image(self, stamp_ns: int, camera: str, jpeg: bytes) -> bytes:
        """`sensor_msgs/CompressedImage` of a camera's picture."""
        if camera not in self._images:
            frame, format_ = _text(f"{self._robot}/{camera}"), _text("jpeg")
            layout = f"@{_format(frame)}{_format(format_)}0I"
            self._images[camera] = struct.pack(layout, len(frame), frame, len(format_), format_)
        return b"".join(
            (_ENCAPSULATION, _stamp(stamp_ns), self._images[camera],
             len(jpeg).to_bytes(4, "little"), jpeg)
        )  # fmt: skip

    def tool_state(self, stamp_ns: int, observation: Observation) -> bytes:
        """`mtopt_msgs/ToolState` of an observation."""
        return _ENCAPSULATION + struct.pack(
            f"{self._head}?f4d",
            *divmod(stamp_ns, _NANOSECONDS), len(self._frame), self._frame,
            observation.gripper_closed, observation.gripper_opening_m,
            *observation.tool_pose_bin,
        )  # fmt: skip

    def action_commanded(self, stamp_ns: int, step_index: int, action: Action) -> bytes:
        """`mtopt_msgs/ActionCommanded` of a step."""
        return _ENCAPSULATION + struct.pack(
            f"{self._action}3d",
            *self._action_fields(stamp_ns, step_index, action), *action.home_offset_m,
        )  # fmt: skip

    def action_sent(self, stamp_ns: int, step_index: int, sent: SentAction) -> bytes:
        """`mtopt_msgs/ActionSent` of a step."""
        target, error_msg = sent.target_position.tolist(), _text(sent.error_msg)
        targets = f"{len(target)}d" if target else ""
        return _ENCAPSULATION + struct.pack(
            f"{self._action}?I{targets}?B{_format(error_msg)}",
            *self._action_fields(stamp_ns, step_index, sent.action),
            sent.clamped, len(target), *target, sent.arrived, sent.error,
            len(error_msg), error_msg,
        )  # fmt: skip

    def joint_state(self, stamp_ns: int, state: JointState) -> bytes:
        """`sensor_msgs/JointState` of a reading.

        Raises:
            ValueError: Not one position, velocity and effort a name.
        """
        count = len(state.names)
        for key in ("position", "velocity", "effort"):
            if len(getattr(state, key)) != count:
                raise ValueError(
                    f"joint state of {self._robot}: {len(getattr(state, key))} {key}, {count} names"
                )
        if self._joints is None or self._joints[0] != state.names:
            names = [_text(name) for name in state.names]
            layout = f"@2iI1sI{''.join(map(_format, names))}I0d"
            fields = (field for name in names for field in (len(name), name))
            before = struct.pack(layout, 0, 0, 1, b"", count, *fields, count)[8:]
            self._joints = (state.names, before, struct.pack("@I0d", count))
        _, before, between = self._joints
        return b"".join(
            (_ENCAPSULATION, _stamp(stamp_ns), before,
             _doubles(state.position), between,
             _doubles(state.velocity), between,
             _doubles(state.effort))
        )  # fmt: skip

    def _action_fields(self, stamp_ns: int, step_index: int, action: Action) -> tuple:
        angle = action.azimuth_rad if math.isfinite(action.azimuth_rad) else math.nan
        return (
            *divmod(stamp_ns, _NANOSECONDS), len(self._frame), self._frame,
            len(self._episode), self._episode, step_index,
            action.kind, *action.translation_m, math.sin(angle), math.cos(angle),
            action.close, action.open, action.terminate,
        )  # fmt: skip


def _stamp(stamp_ns: int) -> bytes:
    return _STAMP.pack(*divmod(stamp_ns, _NANOSECONDS))


def _text(text: str) -> bytes:
    """A string's bytes with the closing zero."""
    return text.encode() + b"\x00"


def _format(text: bytes) -> str:
    return f"I{len(text)}s"


def _doubles(values: np.ndarray) -> bytes:
    return np.asarray(values, "<f8").tobytes()
