"""A toy in which pictures matter: steer a dot onto the patch whose colour the task names.

It has the shape of the cell's data (two cameras, proprioception, actions, labels), so that the
whole learner runs on it in seconds.
"""

from dataclasses import dataclass, field

import numpy as np

from mtopt_spec.interfaces import EndReason
from mtopt_spec.task import Task, TaskList

TASKS = TaskList(
    [
        Task("lift-red", "lift", "empty_gripper", {"rule": "lifted", "object": "red"}, "p", 0),
        Task("lift-blue", "lift", "empty_gripper", {"rule": "lifted", "object": "blue"}, "p", 0),
        Task("place-any", "place", "holding", {"rule": "placed", "section": "any"}, "p", 1),
    ]
)
CAMERAS = {"shoulder": (16, 16), "wrist": (16, 16)}
REACHED_M = 0.05
COLOURS = np.array([[220, 30, 30], [30, 60, 220]])


class ReachWorld:
    """One scene: two patches, a dot that moves at most 6 cm a step."""

    def __init__(self, random: np.random.Generator):
        while True:
            self.patches = random.uniform(-0.18, 0.18, (2, 2))
            if np.hypot(*(self.patches[0] - self.patches[1])) > 0.14:
                break
        self.at = random.uniform(-0.18, 0.18, 2)
        self.light = random.uniform(0.7, 1.1)

    def pictures(self):
        """The whole floor; and what is around the dot."""
        return {
            "shoulder": self._render(np.zeros(2), 0.22),
            "wrist": self._render(self.at, 0.16),
        }

    def _render(self, centre, half):
        grid = (np.arange(16) + 0.5) / 16 * 2 * half - half
        x, y = np.meshgrid(grid + centre[0], grid + centre[1], indexing="ij")
        image = np.full((16, 16, 3), 120.0)
        for patch, colour in zip(self.patches, COLOURS, strict=True):
            image[np.hypot(x - patch[0], y - patch[1]) < 0.045] = colour
        return np.clip(image * self.light, 0, 255).astype(np.uint8)

    def state(self):
        return np.array([0, 1, *self.at, 0.1, 0, 1], np.float32)

    def move(self, vector):
        self.at = np.clip(self.at + vector[:2], -0.22, 0.22)

    def reached(self):
        """(tasks,) 0/1: the dot is on the patch of that colour; place: nowhere."""
        near = np.hypot(*(self.patches - self.at).T) < REACHED_M
        return np.array([near[0], near[1], 0.0], np.float32)


@dataclass
class ToyDataset:
    """Stands in for `mtopt_learning.dataset.cache.Dataset`."""

    tasks: tuple
    cameras: dict
    images: dict
    state: np.ndarray
    action: np.ndarray
    episode_start: np.ndarray
    episode_steps: np.ndarray
    episode_task: np.ndarray
    episode_reason: np.ndarray
    fingerprint: str = "toy"
    stored: dict = field(default_factory=dict)

    def labels(self, source="simulator"):
        if source == "best":
            return self.stored.get("detector", self.stored["simulator"])
        return self.stored.get(source, np.full_like(self.stored["simulator"], np.nan))

    def write_labels(self, source, probability, about=None):
        self.stored[source] = probability

    def last_row(self, episodes):
        return self.episode_start[episodes] + self.episode_steps[episodes]

    @property
    def n_episodes(self):
        return len(self.episode_steps)

    @property
    def bag(self):
        return np.array([f"robot_1/{i // 100}" for i in range(self.n_episodes)], object)

    @property
    def is_last(self):
        last = np.zeros(len(self.state), bool)
        last[self.last_row(np.arange(self.n_episodes))] = True
        return last

    @property
    def obs_episode(self):
        return np.repeat(np.arange(self.n_episodes), self.episode_steps + 1)


def collect(episodes: int, seed: int = 0, limit: int = 8) -> ToyDataset:
    """A crude script steers to either patch with much noise and then terminates."""
    random = np.random.default_rng(seed)
    pictures = {camera: [] for camera in CAMERAS}
    state, action, start, steps, task, reason, labels = [], [], [], [], [], [], []
    for _ in range(episodes):
        world, aim = ReachWorld(random), int(random.integers(2))
        noise = random.choice([0.01, 0.03, 0.08])
        goal = world.patches[aim] + random.normal(size=2) * noise
        start.append(len(state))
        ended = EndReason.LIMIT
        for step in range(limit):
            for camera, image in world.pictures().items():
                pictures[camera].append(image)
            state.append(world.state())
            delta = np.clip(goal - world.at + random.normal(size=2) * 0.01, -0.06, 0.06)
            stop = np.hypot(*(goal - world.at)) < 0.02 or random.random() < 0.05
            turn = random.uniform(-0.3, 0.3)
            z = random.uniform(-0.06, 0.06)
            if stop:
                delta, turn, z = np.zeros(2), 0.0, 0.0
            vector = np.array([*delta, z, np.sin(turn), np.cos(turn), 0, 0, stop], np.float32)
            vector[5] = float(not stop and step == 2)
            action.append(vector)
            world.move(vector)
            if stop:
                ended = EndReason.TERMINATE
                break
        for camera, image in world.pictures().items():
            pictures[camera].append(image)
        state.append(world.state())
        action.append(np.full(8, np.nan, np.float32))
        steps.append(len(state) - 1 - start[-1])
        task.append(aim)
        reason.append(ended)
        labels.append(world.reached())
    return ToyDataset(
        TASKS.names, dict(CAMERAS), {c: np.stack(p) for c, p in pictures.items()},
        np.stack(state), np.stack(action), np.array(start), np.array(steps, np.int32),
        np.array(task, np.int16), np.array(reason, np.int8),
        stored={"simulator": np.stack(labels)},
    )  # fmt: skip
