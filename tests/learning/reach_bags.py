"""Bags and data sets of the reach world: many short episodes, their ends near a patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from reach_world import CAMERAS, TASKS, ReachWorld

from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_spec.action import Action, SentAction
from mtopt_spec.episode import Episode, EpisodeBegin, EpisodeEnd, JointState, Step
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.observation import Observation

JOINTS = ("joint_1",)


def write_bags(
    folder: Path,
    episodes: int,
    *,
    seed: int = 0,
    robot: str = "robot_1",
    light: float = 1.0,
    camera_shift_px: int = 0,
    source: str = "simulator",
) -> Path:
    """Episodes of one step that end on or beside the patch that their task names.

    Args:
        folder: Of the bags.
        episodes: How many.
        seed: Of the scenes; part of the episodes' ids.
        robot: Whose bags.
        light: Factor on all pictures.
        camera_shift_px: By which all pictures are turned round to the right.
        source: Of the labels.
    """
    random = np.random.default_rng(seed)
    with BagWriter(folder, robot, sync=False) as writer:
        for number in range(episodes):
            episode = _episode(random, number, f"{robot}-{seed}-{number}", robot, source,
                               light, camera_shift_px)  # fmt: skip
            writer.write_episode(episode_messages(episode))
    return folder


def open_dataset(bags: Path, folder: Path) -> Dataset:
    """Builds, or adds to, the data set of these bags."""
    build_dataset(find_bags([bags]), folder, TASKS.names, threads=1)
    return Dataset.open(folder)


def _episode(random, number, episode_id, robot, source, light, shift_px) -> Episode:
    world, aim, start_s = ReachWorld(random), int(random.integers(2)), 10.0 * number
    first = _observation(world, start_s, light, shift_px)
    world.at = world.patches[aim] + random.normal(size=2) * random.choice([0.01, 0.05])
    last = _observation(world, start_s + 0.2, light, shift_px)
    labels = tuple(
        TaskLabel(name, bool(won), float(won), source)
        for name, won in zip(TASKS.names, world.reached(), strict=True)
    )
    won, action = bool(world.reached()[aim]), Action(terminate=True)
    return Episode(
        EpisodeBegin(start_s, robot, episode_id, number, number, TASKS.names[aim], "script", "",
                     0.2, tuple(CAMERAS)),
        (Step(first, action, SentAction(action, False, np.zeros(8))),),
        last,
        (JointState(start_s, JOINTS, np.zeros(1), np.zeros(1), np.zeros(1)),),
        EpisodeEnd(start_s + 0.2, episode_id, EndReason.TERMINATE, Fault.NONE, "", 1, won,
                   float(won), source, labels),
    )  # fmt: skip


def _observation(world: ReachWorld, stamp_s: float, light: float, shift_px: int) -> Observation:
    pictures = {
        camera: encode_jpeg(
            np.roll(np.clip(picture * light, 0, 255).astype(np.uint8), shift_px, axis=1)
        )
        for camera, picture in world.pictures().items()
    }
    return Observation(stamp_s, pictures, False, 0.1, (*world.at, 0.1, 0.0))
