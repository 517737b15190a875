"""Who collects a new task: its parent's policy and its script first, its own once that is as good.

MT-Opt (arXiv 2104.08212, section VI) collects the first data of a new task by the policies of
known ones and switches to the new task's own when it does as well; here it switches back, too,
where that was luck. A known policy goes for what it knows; the task's script looks for the new
object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtopt_bringup.policies import local_policies
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy
from mtopt_spec import seeds
from mtopt_spec.interfaces import Policy, PolicyAnswer, PolicyRequest
from mtopt_spec.task import TaskList

LEAST_ATTEMPTS = 5
"""Of the own policy, before it is compared."""


@dataclass(frozen=True)
class Asked:
    """What is asked for a new task.

    Attributes:
        parent: The known task, of the explorer.
        script: The policy, of the scripts.
    """

    parent: str
    script: str


class Handover:
    """Shares a task's episodes between explorer, script and its own policy, episode by episode.

    Args:
        explorer: Knows the parents.
        scripts: Serves requests by their policy's name.
        own: Knows the new tasks.
        asked_of: New task to what is asked for it.
        shares: New task to the share of its episodes that `explorer`, `script` and `own` have,
            which add up to 1.
    """

    def __init__(
        self,
        explorer: Policy,
        scripts: Policy,
        own: Policy,
        asked_of: Mapping[str, Asked],
        shares: Mapping[str, Mapping[str, float]],
    ):
        self._policies = {"explorer": explorer, "script": scripts, "own": own}
        self._asked_of, self._shares = asked_of, shares

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request; an episode is one policy's from its first step to its last."""
        who = [self._who(request) for request in requests]
        answers: dict[int, PolicyAnswer] = {}
        for name, policy in self._policies.items():
            which = [i for i, one in enumerate(who) if one == name]
            if which:
                asked = [self._as_asked(requests[i], name) for i in which]
                answers.update(zip(which, policy.choose(asked), strict=True))
        return [answers[i] for i in range(len(requests))]

    def _as_asked(self, request: PolicyRequest, who: str) -> PolicyRequest:
        asked = self._asked_of[request.task]
        if who == "explorer":
            return replace(request, task=asked.parent)
        return replace(request, policy=asked.script) if who == "script" else request

    def _who(self, request: PolicyRequest) -> str:
        draw = seeds.generator(request.seed, "who collects").random()
        for who, share in self._shares[request.task].items():
            if draw < share:
                return who
            draw -= share
        return who


@dataclass(frozen=True)
class HandoverFrom:
    """Puts a `Handover` before a run's own policy, in whatever process it collects.

    Attributes:
        checkpoint: Of the explorer.
        known: Its tasks.
        all_tasks: They and the new ones.
        act: The explorer's exploration.
        parents: New task to the known one that is asked of the explorer.
        shares: As of `Handover`.
    """

    checkpoint: Path
    known: tuple[str, ...]
    all_tasks: TaskList
    act: ActConfig
    parents: Mapping[str, str]
    shares: Mapping[str, Mapping[str, float]]

    def __call__(self, own: Policy) -> Handover:
        """Loads the explorer and makes the scripts."""
        explorer = QFunctionPolicy(tasks=self.known, config=self.act)
        explorer.load(self.checkpoint)
        asked_of = {
            name: Asked(parent, self.all_tasks[self.all_tasks.index_of(name)].bootstrap_policy)
            for name, parent in self.parents.items()
        }
        scripts = PolicyMux(local_policies(self.all_tasks))
        return Handover(explorer, scripts, own, asked_of, self.shares)


def shares_of(rounds: Sequence[dict], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Task to the shares of the next round's episodes, as `Handover` takes them.

    Its own policy has none in the first round; then half, and all after a round in which it
    succeeded as often as the better of explorer and script did so far. Those two share what is left
    by how often they succeeded. All by Laplace's estimate: a few attempts neither write off nor
    prefer anybody.

    Args:
        rounds: Of each earlier round, what `collected_by` gave.
        names: New tasks.
    """
    out = {}
    for name in names:
        rate = {
            who: _rate(*(sum(one[name][who][i] for one in rounds) for i in (0, 1)))
            for who in ("explorer", "script")
        }
        own = 0.0
        if rounds:
            tried, good = rounds[-1][name]["own"]
            as_good = tried >= LEAST_ATTEMPTS and _rate(tried, good) >= max(rate.values())
            own = 1.0 if as_good else 0.5
        others = {who: (1 - own) * one / sum(rate.values()) for who, one in rate.items()}
        out[name] = {**others, "own": own}
    return out


def _rate(tried: int, good: int) -> float:
    return (good + 1) / (tried + 2)


def collected_by(dataset, run: str, explorer: str, names: Iterable[str]) -> dict:
    """Task to `explorer`, `script` and `own`: [attempts, successes] of a round's episodes.

    Args:
        dataset: A `Dataset` that holds them.
        run: First part of their ids.
        explorer: Fingerprint of the explorer's checkpoint.
        names: Tasks.
    """
    truth = dataset.labels("best") >= 0.5
    mine = np.char.startswith(dataset.episode_ids.astype(str), run)
    checkpoint = dataset.episodes["checkpoint"].to_numpy(zero_copy_only=False)
    explored, scripted = checkpoint == explorer, checkpoint == ""
    of_own = ~explored & ~scripted
    out = {}
    for name in names:
        task = dataset.tasks.index(name)
        tried = mine & (dataset.episode_task == task)
        out[name] = {
            who: [int((tried & by).sum()), int((tried & by & truth[:, task]).sum())]
            for who, by in (("explorer", explored), ("script", scripted), ("own", of_own))
        }
    return out
