"""Puts together an episode of the messages between its begin and its end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mtopt_spec import bag_topics as topics
from mtopt_spec.action import ACTION_SIZE
from mtopt_spec.completeness import RecordedStamps
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd
from mtopt_spec.interfaces import EndReason
from mtopt_spec.observation import STATE_SIZE, state_vector

IMAGE_ENDING = "/image/compressed"
_GOAL = "episode/goal/"
_CAMERAS = {topics.camera_image(name).name: name for name in topics.CAMERA_NAMESPACES}


@dataclass(frozen=True)
class BagEpisode:
    """A complete episode of a bag.

    Attributes:
        begin, end: Its first and last record.
        stamp_ns: (steps + 1,) int64, of the observations.
        images_jpeg: Camera name to one JPEG an observation.
        picture_age_s: Camera name to (steps + 1,) float64, of those pictures at the observations.
        state: (steps + 1, 7) float32, as `Observation.state()`.
        action: (steps, 8) float32: the displacement that was sent, the flags as commanded.
        commanded: (steps, 8) float32: what was asked for.
        joint_stamp_ns: (n,) int64, of the joint states; empty unless asked for.
        joint_names: Names of the joints of all of them.
        joint_position: (n, joints) float64, rad; finger m; NaN where nothing was said of a joint.
        goal_images_jpeg: Camera name to the picture that it was to bring about; none where it
            had no goal.
    """

    begin: EpisodeBegin
    end: EpisodeEnd
    stamp_ns: np.ndarray
    images_jpeg: dict[str, list[bytes]] = field(repr=False)
    picture_age_s: dict[str, np.ndarray] = field(repr=False)
    state: np.ndarray = field(repr=False)
    action: np.ndarray = field(repr=False)
    commanded: np.ndarray = field(repr=False)
    joint_stamp_ns: np.ndarray = field(repr=False)
    joint_names: tuple[str, ...] = ()
    joint_position: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    goal_images_jpeg: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def void(self) -> bool:
        """Ended by a fault: not to be learned from."""
        return self.end.reason == EndReason.FAULT


class CollectedEpisode:
    """The messages between an episode's begin and end."""

    def __init__(self, begin: EpisodeBegin):
        self.begin = begin
        self.tools: dict[int, object] = {}
        self.images: dict[str, dict[int, bytes]] = {name: {} for name in begin.camera_names}
        self.commanded: dict[int, object] = {}
        self.sent: dict[int, object] = {}
        self.joints: list = []
        self.goal_images_jpeg: dict[str, bytes] = {}

    def add(self, name: str, message) -> None:
        """Takes a message, no picture, of the topic below the robot's namespace."""
        if name == topics.TOOL_STATE.name:
            self.tools[stamp_ns(message)] = message
        elif name == topics.JOINT_STATES.name:
            self.joints.append(message)
        elif message.episode_id == self.begin.episode_id:
            table = self.commanded if name == topics.ACTION_COMMANDED.name else self.sent
            table[message.step_index] = message

    def add_picture(self, name: str, stamp: int, jpeg: bytes) -> None:
        """Takes a picture of the topic below the robot's namespace.

        A goal picture that names no camera, as bags once had, is left out.
        """
        of_camera = name.removeprefix(_GOAL)
        camera = _CAMERAS.get(of_camera, of_camera.removesuffix(IMAGE_ENDING))
        if camera not in self.images:
            return
        if of_camera == name:
            self.images[camera][stamp] = jpeg
        else:
            self.goal_images_jpeg[camera] = jpeg

    def problem(self, end: EpisodeEnd, end_ns: int) -> str | None:
        """What the episode lacks, in words; None when it is complete.

        Args:
            end: Its last record.
            end_ns: That record's stamp.
        """
        if end.episode_id != self.begin.episode_id:
            return f"ends as {end.episode_id}, begun as {self.begin.episode_id}"
        if end.steps < 1:
            return "no step"
        recorded = self._recorded(end, end_ns)
        return recorded.problem() or self._not_finite(recorded)

    def _not_finite(self, recorded: RecordedStamps) -> str | None:
        """The first number that is none, in words."""
        for k, stamp in enumerate(recorded.observations()):
            tool = self.tools[stamp]
            numbers = (*tool.position_bin_m, tool.azimuth_rad, tool.gripper_opening_m)
            if not all(map(math.isfinite, numbers)):
                return f"tool state {k} not finite"
        for k in range(recorded.steps):
            if not all(map(math.isfinite, (*_motion(self.commanded[k]), *_motion(self.sent[k])))):
                return f"action {k} not finite"
        return None

    def _recorded(self, end: EpisodeEnd, end_ns: int) -> RecordedStamps:
        return RecordedStamps(
            end.steps,
            end_ns,
            round(self.begin.control_period_s * 1e9),
            {step: stamp_ns(message) for step, message in self.commanded.items()},
            {step: stamp_ns(message) for step, message in self.sent.items()},
            self.tools.keys(),
            {camera: pictures.keys() for camera, pictures in self.images.items()},
        )

    def episode(self, end: EpisodeEnd, end_ns: int) -> BagEpisode:
        """The arrays of a complete episode."""
        recorded = self._recorded(end, end_ns)
        stamps = recorded.observations()
        taken = {
            camera: [recorded.picture(camera, stamp) for stamp in stamps] for camera in self.images
        }
        state = np.empty((end.steps + 1, STATE_SIZE), np.float32)
        for row, stamp in enumerate(stamps):
            tool = self.tools[stamp]
            pose = (*tool.position_bin_m, tool.azimuth_rad)
            state[row] = state_vector(tool.gripper_closed, tool.gripper_opening_m, pose)
        commanded = np.empty((end.steps, ACTION_SIZE), np.float32)
        action = np.empty((end.steps, ACTION_SIZE), np.float32)
        for step in range(end.steps):
            asked, got = self.commanded[step], self.sent[step]
            flags = (asked.close, asked.open, asked.terminate)
            commanded[step] = (*_motion(asked), *flags)
            action[step] = (*_motion(got), *flags)
        return BagEpisode(
            self.begin,
            end,
            np.array(stamps, np.int64),
            {
                camera: [pictures[stamp] for stamp in taken[camera]]
                for camera, pictures in self.images.items()
            },
            {camera: 1e-9 * (np.array(stamps) - own) for camera, own in taken.items()},
            state,
            action,
            commanded,
            *_joint_table(self.joints),
            self.goal_images_jpeg,
        )


def _joint_table(messages: list) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Stamps, names and positions; arm and finger may come in messages of their own."""
    rows: dict[int, dict[str, float]] = {}
    for message in messages:
        rows.setdefault(stamp_ns(message), {}).update(zip(message.name, message.position))
    names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    table = [[row.get(name, np.nan) for name in names] for row in rows.values()]
    return np.array([*rows], np.int64), names, np.array(table).reshape(len(rows), len(names))


def stamp_ns(message) -> int:
    """The stamp of a decoded message's header."""
    stamp = message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _motion(message) -> tuple[float, float, float, float, float]:
    """Displacement and turn of an action; those that hold move by nothing."""
    v = message.translation_m
    return v.x, v.y, v.z, message.azimuth_sin, message.azimuth_cos
