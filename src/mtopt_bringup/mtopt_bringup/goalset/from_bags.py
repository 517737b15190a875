"""Goals from recorded episodes: what they led to, of which nobody says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtopt_bringup.goalset.goal_set import GoalSet, ShownGoal
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal

_CLOSED = 0
"""Place of `gripper_closed` in an observation's state."""


def from_bags(folders: Sequence[Path], camera: str = "shoulder", every: int = 1) -> GoalSet:
    """The first and last pictures of recorded episodes as a goal set without truth.

    Args:
        folders: Bags, or folders of bags: of episodes that nothing was learned from.
        camera: Whose pictures.
        every: Takes every so many-th complete episode.

    Raises:
        InputError: There is no bag or no episode, a bag is damaged, or has no such camera.
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
                pictures = episode.images_jpeg.get(camera)
                if pictures is None:
                    raise InputError(
                        "camera", where=f"{bag}, episode {episode.begin.episode_id}", got=camera,
                        expected=f"one of {sorted(episode.images_jpeg)}",
                    )  # fmt: skip
                holding = bool(episode.state[0, _CLOSED] > 0.5)
                goal = Goal(pictures[-1], camera, holding)
                goals.append(ShownGoal(goal, pictures[0], source=episode.begin.episode_id))
    if not goals:
        raise InputError(
            "bags", where=", ".join(map(str, folders)), got="no complete episode",
            expected="at least one",
        )  # fmt: skip
    return GoalSet(tuple(goals), camera, about={"bags": [str(f) for f in folders], "every": every})
