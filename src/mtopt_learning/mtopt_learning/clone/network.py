"""A multi-task policy network: state and task → an action."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.actions import CODE_SIZE, CONTINUOUS, TERMINATE
from mtopt_learning.qlearn.affordance import AffordanceScores
from mtopt_learning.qlearn.behaviour import COMMANDS, PolicyTrunk
from mtopt_learning.qlearn.trunk import TrunkConfig, default_trunk
from mtopt_spec.errors import InputError

OUTPUTS = ("classes", "squashed")


@dataclass(frozen=True)
class CloneNetworkConfig(TrunkConfig):
    """The network.

    Attributes:
        outputs: `classes`: a mean move and logits of `COMMANDS`. `squashed`: an action code whose
            tanh is the action, flags from 0 on: of learners that know continuous actions only.
    """

    outputs: str = "classes"

    def __post_init__(self):
        if self.outputs not in OUTPUTS:
            raise InputError(
                "outputs", where="clone network", got=repr(self.outputs), expected=OUTPUTS
            )


def default_clone(
    tasks: int,
    cameras: dict[str, tuple[int, int]],
    outputs: str = "classes",
    goal_join: str = "",
) -> CloneNetworkConfig:
    """The network with the trunk of the small Q-network.

    Other learners' trainers (`squashed`) would not teach it an affordance map, so it has none.
    """
    trunk = default_trunk(tasks, cameras, outputs == "classes", goal_join)
    return CloneNetworkConfig(**vars(trunk), outputs=outputs)


class CloneTrunk(PolicyTrunk):
    """Pictures, proprioception and task → (batch, hidden)."""

    def forward(
        self, images: dict[str, torch.Tensor], state: torch.Tensor, task: torch.Tensor
    ) -> torch.Tensor:
        """Features for an action.

        Args:
            images: See `Trunk.embed_and_map`.
            state: There, too.
            task: (batch, conditions) one-hot.
        """
        return self.with_map(images, state, task)[0]

    def with_map(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        task: torch.Tensor,
        goal: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, AffordanceScores | None]:
        """The same, and the affordance map if there is one; goals as of `Trunk`."""
        return self.features_and_map(images, state, task.argmax(-1), goal)


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
        return self.with_map(images, state, task)[0]

    def with_map(
        self, images, state, task, goal=None
    ) -> tuple[torch.Tensor, AffordanceScores | None]:
        """The same, and the affordance map if there is one."""
        features, scores = self.trunk.with_map(images, state, task, goal)
        return self.out(features).float(), scores

    def act(self, images, state, task, goal=None) -> torch.Tensor:
        """(batch, 7) action codes, the likeliest ones."""
        out = self.with_map(images, state, task, goal)[0]
        if self.config.outputs == "squashed":
            return _one_flag(out[:, :CONTINUOUS].tanh(), out[:, CONTINUOUS:])
        over_nothing = out[:, CONTINUOUS + 1 :] - out[:, CONTINUOUS : CONTINUOUS + 1]
        return _one_flag(out[:, :CONTINUOUS].clamp(-1, 1), over_nothing)


def _one_flag(move: torch.Tensor, flags: torch.Tensor) -> torch.Tensor:
    """(batch, 7) codes with the largest of the three flags set where it is above 0."""
    code = torch.cat([move, torch.zeros_like(flags)], -1)
    value, flag = flags.max(1)
    rows = torch.nonzero(value > 0)[:, 0]
    code[rows, CONTINUOUS + flag[rows]] = 1.0
    stopped = code[:, TERMINATE] > 0.5
    code[stopped, :CONTINUOUS] = 0.0
    return code
