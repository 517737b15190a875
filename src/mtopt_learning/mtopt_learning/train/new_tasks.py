"""A run of some tasks becomes one of more, one of goals one of tasks.

MT-Opt (arXiv 2104.08212, section VI) fine-tunes its twelve-task model into one of fourteen. The
task enters a network by weights of its own, a column (or an output) a task: a new task takes a copy
of those of its parent. Until the first gradient step, Q of a known task is what it was, and Q of a
new task is its parent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from mtopt_learning.qlearn.networks import build_network
from mtopt_learning.qlearn.trunk import Trunk
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList


def with_new_tasks(trainer: Trainer, tasks: TaskList, parents: Mapping[str, str]) -> Trainer:
    """A trainer of more tasks that goes on from this one: step, weights, optimiser's averages.

    Args:
        trainer: Of the known tasks.
        tasks: The known ones, in their order, then the new ones.
        parents: New task to the known one that it begins as.

    Raises:
        InputError: The known tasks do not come first, there is no new one, or a new task's parent
            is missing or unknown.
    """
    known = trainer.tasks.names
    if tasks.names[: len(known)] != known or len(tasks) == len(known):
        raise InputError(
            "tasks", where="run that goes on with more tasks", got=list(tasks.names),
            expected=f"{list(known)}, and new ones behind them",
        )  # fmt: skip
    origin = [
        trainer.tasks.index_of(parents.get(n, "") if n not in known else n) for n in tasks.names
    ]
    network = trainer.online.config
    included = {"proposers": tasks.included()} if trainer.online.proposes_tasks else {}
    network = replace(network, tasks=len(tasks), **included)
    grown = Trainer(tasks, trainer.cameras, trainer.config, network)
    grown.step, grown.seconds = trainer.step, trainer.seconds
    pairs = [
        (trainer.online, grown.online),
        (trainer.copies.average, grown.copies.average),
        (trainer.copies.lagged, grown.copies.lagged),
        (trainer.copies.lagged_next, grown.copies.lagged_next),
    ]
    for old, new in pairs:
        if old is not None:
            shapes = {name: tensor.shape for name, tensor in new.state_dict().items()}
            state = old.state_dict()
            new.load_state_dict({n: _grown(t, shapes[n], origin) for n, t in state.items()})
    moments = trainer.optimizer.state_dict()["state"]
    weights = list(grown.online.parameters())
    state = {
        i: {
            k: _grown(t, weights[i].shape, origin) if t.dim() else t.clone() for k, t in one.items()
        }
        for i, one in moments.items()
    }
    groups = grown.optimizer.state_dict()["param_groups"]
    grown.optimizer.load_state_dict({"state": state, "param_groups": groups})
    return grown


def tasks_as_goal(network: TwoStageQ, proposers: tuple[tuple[int, ...], ...]) -> TwoStageQ:
    """A copy of a network that learned goals alone, whose every task begins as the goal.

    Args:
        network: With a goal input.
        proposers: See `NetworkConfig`; of tasks, where it proposes actions to goals.

    Raises:
        InputError: It knows no goals.
    """
    if not network.goal_cameras:
        raise InputError(
            "network", where="tasks that begin as the goal", got="one without goals",
            expected="one that learned goals", todo="train with --goals",
        )  # fmt: skip
    config = network.config
    grown = build_network(replace(config, proposers=proposers) if network.proposes else config)
    grown.load_state_dict(network.state_dict())
    for module in grown.modules():
        if isinstance(module, Trunk):
            module.begin_tasks_as_goal()
    return grown


def _grown(tensor: torch.Tensor, shape: torch.Size, origin: list[int]) -> torch.Tensor:
    """A copy whose task axis, the one that is longer in `shape`, has a slice a task.

    What stands behind the tasks on that axis, the goal's own, stays there.

    Args:
        tensor: Of the known tasks.
        shape: Wanted.
        origin: Of each task, the known one that its slice is copied from.
    """
    for axis, (have, wanted) in enumerate(zip(tensor.shape, shape, strict=True)):
        if have != wanted:
            behind = range(have - (wanted - len(origin)), have)  # of goals
            index = torch.tensor([*origin, *behind], device=tensor.device)
            return tensor.index_select(axis, index)
    return tensor.clone()
