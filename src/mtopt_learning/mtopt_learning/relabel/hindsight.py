"""Goals for states: what came later in the same episode, or what another one shows.

Actionable Models (arXiv 2104.07749): every sub-sequence of every episode reaches its own last
picture (hindsight, section 4.1), and for goal chaining (section 4.3) a state is paired with a
picture of another episode. Pairs are drawn when a batch needs them; none is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_learning.relabel.deciding_steps import GripperChanges
from mtopt_learning.relabel.neighbours import neighbouring_episodes
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason
from mtopt_spec.observation import GRIPPER_CLOSED, TOOL_XYZ

_NEAR_STEPS = 4
"""No further away than so many steps, the gripper told the same, a state may be there."""
_CLOSED_M, _OPEN_M = (0.03, 0.06), (0.08, 0.10)
"""It is there where the tool is no further away than the first, and away beyond the second. What a
closed gripper holds goes with it; an open one leaves things where they are, but has just let go of
them where its goal shows it above."""


@dataclass(frozen=True)
class HindsightConfig:
    """How states and goals are paired.

    Attributes:
        chained_share: Share of pairs whose goal is a picture of another episode. Published: half.
        end_share: Share of goals that are the last picture of their episode, over and above their
            turn: there something was brought about.
        deciding_share: Share of steps at which their episode's gripper changes, over and above
            their turn.
        whole_share: Share of pairs of a state before the gripper last changes and the last picture
            of its episode, over and above their turn: the way on to all that came of it.
        neighbour_share: Of the chained goals, this share is taken from one of the robot's five
            episodes before or behind: mostly of the same scene, so that one may lead to the other.
    """

    chained_share: float = 0.5
    end_share: float = 0.5
    deciding_share: float = 0.3
    whole_share: float = 0.4
    neighbour_share: float = 0.8

    def __post_init__(self):
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise InputError(name, where="hindsight", got=value, expected="in [0, 1]")


ALL_ALIKE = HindsightConfig(
    chained_share=0.0, end_share=0.0, deciding_share=0.0, whole_share=0.0
)  # fmt: skip
"""Every sub-sequence of an episode is as likely; none is chained."""


@dataclass(frozen=True)
class GoalDraw:
    """Steps and their goals.

    Attributes:
        row: (n,) int64 row of the state; the next state is the row after it.
        goal_row: (n,) int64 row of the goal picture.
        end_row: (n,) int64 row of the sub-sequence's last state: `goal_row` unless chained.
        reaches: (n,) bool, the next state is the goal itself.
        steps_to_go: (n,) int64 recorded steps to the goal (1 where `reaches`); 0 if chained.
        chained: (n,) bool, the goal is of another episode.
        ends: (n,) bool, the last step of its sub-sequence: of a chained one the value goes on.
        away: (n,) bool, the state is not where the goal shows it to be; False where it nearly is.
        first_row: (n,) int64 row of the episode's first state.
        untouched: (n,) bool, the gripper did not change between that and the state.
        closing_row: (n,) int64 row of the last state from there to the end of the sub-sequence in
            which the open gripper is told to close; -1 for none.
        direct: (n,) bool, it closes no more than once: what is done leads to the sub-sequence's
            end, not to a try that came to nothing.
    """

    row: np.ndarray
    goal_row: np.ndarray
    end_row: np.ndarray
    reaches: np.ndarray
    steps_to_go: np.ndarray
    chained: np.ndarray
    ends: np.ndarray
    away: np.ndarray
    first_row: np.ndarray
    untouched: np.ndarray
    closing_row: np.ndarray
    direct: np.ndarray


class HindsightSampler:
    """Draws from episodes of one step or more; void ones are left out.

    Args:
        dataset: A `Dataset`.
        changes: Where its gripper changes.
        config: How states and goals are paired.
        left_out: (episodes,) bool, episodes that are not drawn either.

    Attributes:
        episodes: (n,) int64 those that can be drawn.
        neighbours: (n, 10) int64 of `neighbouring_episodes`, of these.

    Raises:
        InputError: Fewer than two episodes can be drawn.
    """

    def __init__(
        self,
        dataset,
        changes: GripperChanges,
        config: HindsightConfig = HindsightConfig(),
        left_out: np.ndarray | None = None,
    ):
        steps = dataset.episode_steps
        usable = (steps > 0) & (dataset.episode_reason != EndReason.FAULT)
        if left_out is not None:
            usable &= ~left_out
        self.episodes = np.flatnonzero(usable)
        if len(self.episodes) < 2:
            raise InputError(
                "episodes", where="goals", got=len(self.episodes), expected="two or more",
                todo="build the data set from more bags",
            )  # fmt: skip
        self._config = config
        self._episode_of, self._state = dataset.obs_episode, dataset.state
        self._start_of, self._steps_of = dataset.episode_start, steps.astype(np.int64)
        self._start = dataset.episode_start[self.episodes].astype(np.int64)
        self._steps = self._steps_of[self.episodes]
        self.neighbours = neighbouring_episodes(dataset.bag[self.episodes])
        self._acting = changes.next_row
        rows = np.flatnonzero(self._acting == np.arange(len(self._acting)))
        closings = rows[self._state[rows, GRIPPER_CLOSED] < 0.5]
        self._closings = np.concatenate([[-1], closings])
        last = changes.last_row[self.episodes]
        self._last_change = np.where(last >= 0, last - self._start, -1)

    def draw(self, count: int, random: np.random.Generator) -> GoalDraw:
        """`count` pairs; sub-sequences of an episode are equally likely, and so are episodes."""
        config = self._config
        episode = random.integers(len(self.episodes), size=count)
        first, last = self._sub_sequence(episode, random)
        first, last = self._deciding(episode, first, last, random)
        first, whole = self._whole_ways(episode, first, random)
        at_end = whole | (random.random(count) < config.end_share)
        last = np.where(at_end, self._steps[episode], last)
        chained = random.random(count) < config.chained_share
        other = self._other(episode, random)
        shown = (random.random(count) * (self._steps[other] + 1)).astype(np.int64)
        shown = np.where(at_end, self._steps[other], shown)
        start, row = self._start[episode], self._start[episode] + first
        end_row = start + last
        goal_row = np.where(chained, self._start[other] + shown, end_row)
        next_closing_row, last_closing_row = self._closings_between(row, end_row)
        return GoalDraw(
            row=row,
            goal_row=goal_row,
            end_row=end_row,
            reaches=~chained & (first + 1 == last),
            steps_to_go=np.where(chained, 0, last - first),
            chained=chained,
            ends=first + 1 == last,
            away=chained | self._away(row, goal_row),
            first_row=start,
            untouched=~self._changes(start, row),
            closing_row=self._closings_between(start, end_row)[1],
            direct=next_closing_row == last_closing_row,
        )

    def _closings_between(
        self, row: np.ndarray, end_row: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n,) rows of the first and the last closings from `row` on, before `end_row`; or -1."""
        past = np.searchsorted(self._closings, end_row)
        ahead = np.searchsorted(self._closings, row)
        first = self._closings[np.minimum(ahead, len(self._closings) - 1)]
        return (
            np.where(past > ahead, first, -1),
            np.where(past > ahead, self._closings[past - 1], -1),
        )

    def draw_there(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(count,) rows of states that are where (count,) rows of goals show them to be.

        A state is at most `_NEAR_STEPS` steps from its goal, the gripper does nothing between,
        and the tool is nearly where it is, see `_CLOSED_M`.
        """
        goal_row = self.draw(count, random).goal_row
        episode = self._episode_of[goal_row]
        start, steps = self._start_of[episode], self._steps_of[episode]
        low = np.maximum(start, goal_row - _NEAR_STEPS)
        row = random.integers(low, np.minimum(start + steps, goal_row + _NEAR_STEPS) + 1)
        first, last = np.minimum(row, goal_row), np.maximum(row, goal_row)
        other = self._changes(first, last) | (self._apart(row, goal_row) > self._reach(goal_row, 0))
        return np.where(other, goal_row, row), goal_row

    def _away(self, row: np.ndarray, goal_row: np.ndarray) -> np.ndarray:
        """(n,) bool, of states before goals of the same episodes."""
        far = self._apart(row, goal_row) > self._reach(goal_row, 1)
        return far | self._changes(row, goal_row)

    def _changes(self, row: np.ndarray, later: np.ndarray) -> np.ndarray:
        """(n,) bool, the gripper changes from a row on and before a later one."""
        return (self._acting[row] >= 0) & (self._acting[row] < later)

    def _reach(self, goal_row: np.ndarray, which: int) -> np.ndarray:
        """(n,) m, the first or second of the distances for each goal's gripper."""
        closed = self._state[goal_row, GRIPPER_CLOSED] > 0.5
        return np.where(closed, _CLOSED_M[which], _OPEN_M[which])

    def _apart(self, row: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(n,) m, how far the tools are apart."""
        difference = self._state[row] - self._state[other]
        return np.linalg.norm(difference[:, TOOL_XYZ], axis=1)

    def _sub_sequence(self, episode: np.ndarray, random: np.random.Generator):
        """First and last state of a sub-sequence of each: two different ones, all pairs alike."""
        steps = self._steps[episode]
        a = (random.random(len(episode)) * (steps + 1)).astype(np.int64)
        b = (random.random(len(episode)) * steps).astype(np.int64)
        b += b >= a
        return np.minimum(a, b), np.maximum(a, b)

    def _deciding(
        self, episode: np.ndarray, first: np.ndarray, last: np.ndarray, random: np.random.Generator
    ):
        """The same, some of them beginning where the gripper changes."""
        start = self._start[episode]
        at = self._acting[start + self._before_last_change(episode, random)] - start
        left = self._steps[episode] - at
        chosen = random.random(len(episode)) < self._config.deciding_share
        chosen &= (at >= 0) & (left > 0)
        after = at + 1 + (random.random(len(episode)) * left).astype(np.int64)
        return np.where(chosen, at, first), np.where(chosen, after, last)

    def _whole_ways(self, episode: np.ndarray, first: np.ndarray, random: np.random.Generator):
        """The same first states, some of them before the gripper last changes; which these are."""
        whole = random.random(len(episode)) < self._config.whole_share
        whole &= self._last_change[episode] >= 0
        return np.where(whole, self._before_last_change(episode, random), first), whole

    def _before_last_change(self, episode: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """A step of each up to that at which the gripper last changes; 0 where it never does."""
        return (random.random(len(episode)) * (self._last_change[episode] + 1)).astype(np.int64)

    def _other(self, episode: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Another episode for each."""
        count = len(self.episodes)
        anywhere = (episode + 1 + random.integers(count - 1, size=len(episode))) % count
        which = random.integers(self.neighbours.shape[1], size=len(episode))
        near = self.neighbours[episode, which]
        take = (random.random(len(episode)) < self._config.neighbour_share) & (near >= 0)
        return np.where(take, near, anywhere)
