"""Who collects a new task: its parent's policy first, its own once that is as good.

MT-Opt (arXiv 2104.08212, section VI) collects the first data of a new task by the policies of
known ones and switches to the new task's own when it does as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy
from mtopt_spec import seeds
from mtopt_spec.interfaces import Policy, PolicyAnswer, PolicyRequest

LEAST_ATTEMPTS = 5
"""Of each of the two, before they are compared."""


class Handover:
    """Shares a task's episodes between its explorer and its own policy, episode by episode.

    Args:
        explorer: Knows the parents.
        own: Knows the new tasks.
        parents: New task to the known one that is asked of the explorer.
        own_share: New task to its own policy's share of the episodes, in [0, 1].
    """

    def __init__(
        self,
        explorer: Policy,
        own: Policy,
        parents: Mapping[str, str],
        own_share: Mapping[str, float],
    ):
        self._explorer, self._own = explorer, own
        self._parents, self._own_share = parents, own_share

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request; an episode is one policy's from its first step to its last."""
        mine = [self._is_own(request) for request in requests]
        asked = [
            request if own else replace(request, task=self._parents[request.task])
            for request, own in zip(requests, mine, strict=True)
        ]
        answers: dict[int, PolicyAnswer] = {}
        for policy, own in ((self._explorer, False), (self._own, True)):
            which = [i for i, one in enumerate(mine) if one == own]
            if which:
                answers.update(zip(which, policy.choose([asked[i] for i in which]), strict=True))
        return [answers[i] for i in range(len(requests))]

    def _is_own(self, request: PolicyRequest) -> bool:
        draw = seeds.generator(request.seed, "who collects").random()
        return bool(draw < self._own_share[request.task])


@dataclass(frozen=True)
class HandoverFrom:
    """Puts a `Handover` before a run's own policy, in whatever process it collects.

    Attributes:
        checkpoint: Of the explorer.
        known: Its tasks.
        act: Its exploration.
        parents, own_share: As of `Handover`.
    """

    checkpoint: Path
    known: tuple[str, ...]
    act: ActConfig
    parents: Mapping[str, str]
    own_share: Mapping[str, float]

    def __call__(self, own: Policy) -> Handover:
        """Loads the explorer."""
        explorer = QFunctionPolicy(tasks=self.known, config=self.act)
        explorer.load(self.checkpoint)
        return Handover(explorer, own, self.parents, self.own_share)


def shares_of(rounds: Sequence[dict], names: Iterable[str]) -> dict[str, float]:
    """Task to its own policy's share of the next round's episodes.

    None in the first round, when it is its parent's; then half, until in some round it did as well
    as the explorer; then all.

    Args:
        rounds: Of each earlier round, what `collected_by` gave.
        names: New tasks.
    """
    out = {}
    for name in names:
        switched = any(_as_good(one[name]) for one in rounds)
        out[name] = 1.0 if switched else 0.5 if rounds else 0.0
    return out


def _as_good(counts: Mapping[str, Sequence[int]]) -> bool:
    (own_n, own_good), (other_n, other_good) = counts["own"], counts["explorer"]
    enough = min(own_n, other_n) >= LEAST_ATTEMPTS
    return enough and own_good / own_n >= other_good / other_n


def collected_by(dataset, run: str, explorer: str, names: Iterable[str]) -> dict:
    """Task to `explorer` and `own`: [attempts, successes] of a round's episodes.

    Args:
        dataset: A `Dataset` that holds them.
        run: First part of their ids.
        explorer: Fingerprint of the explorer's checkpoint.
        names: Tasks.
    """
    truth = dataset.labels("best") >= 0.5
    mine = np.char.startswith(dataset.episode_ids.astype(str), run)
    explored = dataset.episodes["checkpoint"].to_numpy(zero_copy_only=False) == explorer
    out = {}
    for name in names:
        task = dataset.tasks.index(name)
        own = mine & (dataset.episode_task == task)
        out[name] = {
            who: [int((own & by).sum()), int((own & by & truth[:, task]).sum())]
            for who, by in (("explorer", explored), ("own", ~explored))
        }
    return out
