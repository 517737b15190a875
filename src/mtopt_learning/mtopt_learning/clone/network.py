"""A multi-task policy network: state and task → an action."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.actions import CLOSE, CODE_SIZE, CONTINUOUS, OPEN, TERMINATE
from mtopt_learning.qlearn.network import STATE_SCALE, Tower, TowerConfig, default_network
from mtopt_spec.errors import InputError
from mtopt_spec.observation import STATE_SIZE

COMMANDS, STOP = 4, 3
"""Classes of what is done beside the move: nothing, close, open, terminate (`STOP`)."""
OUTPUTS = ("classes", "squashed")


@dataclass(frozen=True)
class CloneNetworkConfig:
    """The network.

    Attributes:
        tasks: Number of tasks.
        towers: One a camera; those of the small Q-network.
        embedding: Size of a state's embedding.
        hidden: Width of the layers that join embedding and task.
        layers: How many.
        outputs: `classes`: a mean move and logits of `COMMANDS`. `squashed`: an action code whose
            tanh is the action, flags from 0 on: of learners that know continuous actions only.
    """

    tasks: int
    towers: tuple[TowerConfig, ...]
    embedding: int = 256
    hidden: int = 128
    layers: int = 2
    outputs: str = "classes"

    def __post_init__(self):
        if self.outputs not in OUTPUTS:
            raise InputError(
                "outputs", where="clone network", got=repr(self.outputs), expected=OUTPUTS
            )


def default_clone(
    tasks: int, cameras: dict[str, tuple[int, int]], outputs: str = "classes"
) -> CloneNetworkConfig:
    """The network with the towers and sizes of the small Q-network."""
    like = default_network(tasks, cameras)
    return CloneNetworkConfig(tasks, like.towers, like.embedding, like.hidden, like.layers, outputs)


class CloneTrunk(nn.Module):
    """Pictures, proprioception and task → (batch, hidden)."""

    def __init__(self, config: CloneNetworkConfig):
        super().__init__()
        self.config = config
        self.towers = nn.ModuleDict({tower.camera: Tower(tower) for tower in config.towers})
        self.from_proprioception = nn.Linear(STATE_SIZE, 64)
        features = sum(tower.features for tower in config.towers) + 64
        self.join = nn.Linear(features, config.embedding)
        self.task_gate = nn.Linear(config.tasks, config.embedding, bias=False)
        self.task_shift = nn.Linear(config.tasks, config.embedding, bias=False)
        nn.init.normal_(self.task_gate.weight, std=0.3)
        nn.init.normal_(self.task_shift.weight, std=0.3)
        sizes = [config.embedding] + [config.hidden] * config.layers
        self.layers = nn.ModuleList(map(nn.Linear, sizes, sizes[1:]))
        self.register_buffer("state_scale", torch.tensor(STATE_SCALE), persistent=False)

    def forward(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        task: torch.Tensor,
    ) -> torch.Tensor:
        """Features for an action.

        Args:
            images: Camera to (batch, 3, h, w) uint8, or floating in about [-1, 1].
            state: (batch, 7) float32 proprioception.
            task: (batch, tasks) one-hot.
        """
        parts = [tower(images[camera]) for camera, tower in self.towers.items()]
        parts.append(torch.relu(self.from_proprioception(state * self.state_scale)))
        x = torch.relu(self.join(torch.cat(parts, -1)))
        x = torch.relu(x * (1 + self.task_gate(task)) + self.task_shift(task))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class CloneNetwork(nn.Module):
    """The trunk and its outputs."""

    def __init__(self, config: CloneNetworkConfig):
        super().__init__()
        self.config = config
        self.trunk = CloneTrunk(config)
        size = CONTINUOUS + COMMANDS if config.outputs == "classes" else CODE_SIZE
        self.out = nn.Linear(config.hidden, size)

    def forward(self, images, state, task) -> torch.Tensor:
        """(batch, 8) move and logits, or (batch, 7) code before tanh; see `CloneTrunk`."""
        return self.out(self.trunk(images, state, task)).float()

    def act(self, images, state, task) -> torch.Tensor:
        """(batch, 7) action codes, the likeliest ones."""
        out = self(images, state, task)
        if self.config.outputs == "squashed":
            return _one_flag(out[:, :CONTINUOUS].tanh(), out[:, CONTINUOUS:])
        over_nothing = out[:, CONTINUOUS + 1 :] - out[:, CONTINUOUS : CONTINUOUS + 1]
        return _one_flag(out[:, :CONTINUOUS].clamp(-1, 1), over_nothing)


def command_class(code: torch.Tensor) -> torch.Tensor:
    """(n,) int64 class of (n, 7) action codes: 0 nothing, 1 close, 2 open, 3 terminate."""
    flags = code[:, [CLOSE, OPEN, TERMINATE]] > 0.5
    order = torch.tensor([1, 2, STOP], device=code.device)
    return (flags * order).amax(1)


def _one_flag(move: torch.Tensor, flags: torch.Tensor) -> torch.Tensor:
    """(batch, 7) codes with the largest of the three flags set where it is above 0."""
    code = torch.cat([move, torch.zeros_like(flags)], -1)
    value, flag = flags.max(1)
    rows = torch.nonzero(value > 0)[:, 0]
    code[rows, CONTINUOUS + flag[rows]] = 1.0
    stopped = code[:, TERMINATE] > 0.5
    code[stopped, :CONTINUOUS] = 0.0
    return code
