"""Goals from recorded episodes: what they led to, of which nobody says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtopt_bringup.goalset.goal_set import GoalSet, ShownGoal
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal
from mtopt_spec.observation import GRIPPER_CLOSED


def from_bags(folders: Sequence[Path], cameras: Sequence[str], every: int = 1) -> GoalSet:
    """The first and last pictures of recorded episodes as a goal set without truth.

    Args:
        folders: Bags, or folders of bags: of episodes that nothing was learned from.
        cameras: Whose last pictures a goal is; the first one's picture is its start, too.
        every: Takes every so many-th complete episode.

    Raises:
        InputError: There is no bag or no episode, a bag is damaged, or lacks a camera.
    """
    if every < 1:
        raise InputError("every", where="goals from bags", got=every, expected="1 or more")
    goals, seen = [], 0
    for bag in find_bags([Path(folder) for folder in folders]):
        with BagReader(bag) as reader:
            for episode in reader.episodes():
                seen += 1
                if (seen - 1) % every:
                    continue
                pictures = episode.images_jpeg
                if not set(cameras) <= set(pictures):
                    raise InputError(
                        "cameras", where=f"{bag}, episode {episode.begin.episode_id}",
                        got=list(cameras), expected=f"some of {sorted(pictures)}",
                    )  # fmt: skip
                holding = bool(episode.state[0, GRIPPER_CLOSED] > 0.5)
                goal = Goal({camera: pictures[camera][-1] for camera in cameras}, holding)
                start = pictures[cameras[0]][0]
                goals.append(ShownGoal(goal, start, source=episode.begin.episode_id))
    if not goals:
        raise InputError(
            "bags", where=", ".join(map(str, folders)), got="no complete episode",
            expected="at least one",
        )  # fmt: skip
    about = {"bags": [str(folder) for folder in folders], "every": every}
    return GoalSet(tuple(goals), tuple(cameras), about=about)
