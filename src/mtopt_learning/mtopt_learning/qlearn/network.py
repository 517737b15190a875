"""The small multi-task Q-network, for pictures of 32 to 128 pixels.

QT-Opt (arXiv 1806.10293, section 4.2) joins the action to the image features half-way, so that
the many actions which CEM tries cost little; MT-Opt (arXiv 2104.08212, section V) adds the task
as a one-hot input and keeps one output for all tasks. Here the pictures end in a vector, and task
and action join it in dense layers. An affordance map of the larger picture tells the task's layer
where its object is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.actions import CODE_SIZE
from mtopt_learning.qlearn.behaviour import BehaviourPolicy
from mtopt_learning.qlearn.trunk import Trunk, TrunkConfig, default_trunk
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class NetworkConfig(TrunkConfig):
    """The Q-network.

    Attributes:
        heads: Independent Q heads on one embedding; two for clipped double Q.
        multi_head: Instead of the task as an input, each head has one output a task (the
            ablation of MT-Opt); one output for all tasks otherwise.
        behaviour: Whether a cloned policy to goals, as large as the rest, proposes the actions that
            Q chooses among; goals must join at the input.
        proposers: For each task the tasks for which that policy proposes actions of it, its own
            first; empty: it is none of tasks.
    """

    heads: int = 2
    multi_head: bool = False
    behaviour: bool = False
    proposers: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if self.behaviour and self.goal_join != "input":
            raise InputError(
                "behaviour", where="network", got=True,
                expected="False where no goal picture joins at the input",
            )  # fmt: skip
        if self.proposers and len(self.proposers) != self.tasks:
            raise InputError(
                "proposers", where="network", got=f"those of {len(self.proposers)} tasks",
                expected=f"of {self.tasks}",
            )  # fmt: skip


def default_network(
    tasks: int,
    cameras: dict[str, tuple[int, int]],
    multi_head: bool = False,
    affordance_map: bool = True,
    goal_join: str = "",
    behaviour: bool = False,
    proposers: tuple[tuple[int, ...], ...] = (),
) -> NetworkConfig:
    """The network on the trunk of `default_trunk`; see `NetworkConfig`."""
    trunk = default_trunk(tasks, cameras, affordance_map, goal_join)
    return NetworkConfig(
        **vars(trunk), multi_head=multi_head, behaviour=behaviour, proposers=proposers
    )


class QHead(nn.Module):
    """(…, embedding), (…, action code) → (…, outputs) logits of success."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.from_state = nn.Linear(config.embedding, config.hidden)
        self.from_action = nn.Linear(CODE_SIZE, config.hidden, bias=False)
        self.layers = nn.ModuleList(
            nn.Linear(config.hidden, config.hidden) for _ in range(config.layers - 1)
        )
        self.logit = nn.Linear(config.hidden, config.conditions if config.multi_head else 1)
        nn.init.constant_(self.logit.bias, -1.0)

    def forward(self, joined: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Joins (batch, 1, embedding) with (batch, samples, 7); gives (batch, samples, outputs)."""
        x = torch.relu(self.from_state(joined) + self.from_action(action))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.logit(x)


class QNetwork(Trunk, TwoStageQ):
    """The small network; its embedding is the trunk's."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config, task_input=not config.multi_head)
        self.heads = nn.ModuleList(QHead(config) for _ in range(config.heads))
        if config.behaviour or config.proposers:
            self.behaviour = BehaviourPolicy(config)

    def embed(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        goal: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `Trunk`."""
        return self.embed_and_map(images, state, goal)[0]

    def logits(
        self, embedding: torch.Tensor, task: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """(heads, batch, samples) float32."""
        joined = self.of_task(embedding, task)[:, None]
        outputs = torch.stack([head(joined, action) for head in self.heads]).float()
        return self.output_of(outputs, task)
