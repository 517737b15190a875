"""Steps with goals as tensors, prepared while a step computes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mtopt_learning.qlearn.actions import encode, terminate_code
from mtopt_learning.relabel.deciding_steps import GripperChanges
from mtopt_learning.relabel.hindsight import GoalDraw, HindsightSampler
from mtopt_learning.relabel.near_misses import NearMisses
from mtopt_learning.train.batches import proprioception, to_device
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.feed import Feed
from mtopt_learning.train.picture_store import PictureStore
from mtopt_spec import seeds
from mtopt_spec.observation import AZIMUTH, TOOL_XY

_AHEAD = 2


@dataclass(frozen=True)
class GoalBatch:
    """n steps, each with a goal; m states that are where their goals show them, m near misses.

    Attributes:
        pictures: Camera to (n + 2 m, 3, h, w) uint8.
        state: (n + 2 m, 7) proprioception.
        goal: Camera to (n + 2 m, 3, h, w) uint8 goal pictures.
        end: The same without chained goals: in their place the ends of the steps' own ways.
        following: Camera to (n, 3, h, w) uint8 of the states whose Q counts next: those after the
            steps; those of the steps themselves where a chained sub-sequence ends.
        following_state: (n, 7).
        action, following_action: (n, 7) codes recorded in them.
        carries_on: (n,) bool, a chained sub-sequence ends here: its Q is its reward.
        reaches, chained, away, direct: (n,) bool, as of `GoalDraw`.
        steps_to_go: (n,) int64, there too.
        first: (f, 3, h, w) uint8 of the map's camera, the first of the first f steps' episodes;
            None for a network without a map.
        untouched: (n,) float32, 1 where the gripper did not change since then, else 0.
        closed_m: (n, 2) x, y of the tool where it last closes from then on to the end.
        closed_azimuth: (n, 2) sine and cosine of its azimuth there.
        closes: (n,) float32, 1 where it does, else 0.
        goal_m, end_m: (n + 2 m, 2) x, y of the tool where the goals, the ends show it.
    """

    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    goal: dict[str, torch.Tensor]
    end: dict[str, torch.Tensor]
    following: dict[str, torch.Tensor]
    following_state: torch.Tensor
    action: torch.Tensor
    following_action: torch.Tensor
    carries_on: torch.Tensor
    reaches: torch.Tensor
    chained: torch.Tensor
    away: torch.Tensor
    direct: torch.Tensor
    steps_to_go: torch.Tensor
    first: torch.Tensor | None
    untouched: torch.Tensor
    closed_m: torch.Tensor
    closed_azimuth: torch.Tensor
    closes: torch.Tensor
    goal_m: torch.Tensor
    end_m: torch.Tensor

    def to_clone(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What a cloned policy is to do: codes (n + 2 m, 7), which of them count, and near misses.

        Steps on a direct way to its end count, and states that are where goals show them, where it
        terminates. Of near misses it learns no more than that it does not: as `clone_loss` takes
        them.
        """
        n, every = len(self.action), len(self.state)
        stops = terminate_code((every - n,), self.state.device)
        there = torch.arange(every - n, device=self.state.device) < (every - n) // 2
        counts = torch.cat([self.direct, there]).float()
        missed = torch.cat([torch.zeros_like(self.direct), ~there]).float()
        return torch.cat([self.action, stops]), counts, missed

    def to(self, device: torch.device) -> GoalBatch:
        """The same on a device; pictures are where the store gave them."""
        tensors = {k: v for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return replace(self, **{k: to_device(v, device) for k, v in tensors.items()})


class GoalBatches:
    """Draws pairs of steps and goals and gathers their pictures.

    Args:
        dataset: A `Dataset`; it needs no labels.
        store: Its pictures: those that a network looks at, of a state and of a goal.
        config: Settings.
        device: Where the step computes.
        map_camera: Whose picture has an affordance map; empty: none has.

    Raises:
        InputError: There are too few episodes.
    """

    def __init__(
        self,
        dataset,
        store: PictureStore,
        config: TrainConfig,
        device: torch.device,
        map_camera: str,
    ):
        self._dataset, self._store, self._map_camera = dataset, store, map_camera
        self._config, self._device = config, device
        every = config.holdout_every
        held = np.arange(dataset.n_episodes) % every == every - 1 if every else None
        self.sampler = HindsightSampler(
            dataset, GripperChanges.of(dataset), config.goals.pairs, held
        )
        sampler = self.sampler
        self.near_misses = NearMisses(dataset, sampler.episodes, sampler.neighbours)
        self._feed: Feed[GoalBatch] = Feed(self._prepare, _AHEAD)

    def take(self, step: int) -> GoalBatch:
        """The batch of a gradient step: a function of the seed and the step alone."""
        return self._feed.take(step)

    def close(self) -> None:
        """Ends the thread that prepares."""
        self._feed.close()

    def _prepare(self, step: int) -> GoalBatch:
        goals = self._config.goals
        random = seeds.generator(self._config.seed, "goals", step)
        draw = self.sampler.draw(goals.batch, random)
        there_row, there_goal = self.sampler.draw_there(goals.reached_states, random)
        missed_row = self.near_misses.draw(there_goal, random)
        return self.gather(draw, there_row, missed_row, there_goal).to(self._device)

    def gather(
        self, draw: GoalDraw, there_row: np.ndarray, missed_row: np.ndarray, goal_row: np.ndarray
    ) -> GoalBatch:
        """The tensors of a draw, and of states that are where goals show them, and near misses."""
        dataset, store = self._dataset, self._store
        rows = np.concatenate([draw.row, there_row, missed_row])
        carries_on = draw.chained & draw.ends
        following = np.where(carries_on | draw.reaches, draw.row, draw.row + 1)
        shown, ends = (
            np.concatenate([of_steps, goal_row, goal_row])
            for of_steps in (draw.goal_row, draw.end_row)
        )
        goal = store.take(shown)
        closed = proprioception(dataset, np.maximum(draw.closing_row, 0))
        begun, camera = draw.first_row[: self._config.first_pictures], self._map_camera
        return GoalBatch(
            pictures=store.take(rows),
            state=proprioception(dataset, rows),
            goal=goal,
            end=store.take(ends) if draw.chained.any() else goal,
            following=store.take(following),
            following_state=proprioception(dataset, following),
            action=encode(torch.from_numpy(dataset.action[draw.row])),
            following_action=encode(torch.from_numpy(dataset.action[following])),
            carries_on=torch.from_numpy(carries_on),
            reaches=torch.from_numpy(draw.reaches),
            chained=torch.from_numpy(draw.chained),
            away=torch.from_numpy(draw.away),
            direct=torch.from_numpy(draw.direct),
            steps_to_go=torch.from_numpy(draw.steps_to_go),
            first=store.take_one(camera, begun) if camera else None,
            untouched=torch.from_numpy(draw.untouched.astype(np.float32)),
            closed_m=closed[:, TOOL_XY],
            closed_azimuth=closed[:, AZIMUTH],
            closes=torch.from_numpy((draw.closing_row >= 0).astype(np.float32)),
            goal_m=proprioception(dataset, shown)[:, TOOL_XY],
            end_m=proprioception(dataset, ends)[:, TOOL_XY],
        )
