"""Trains IQL of d3rlpy; run by the Python of its own environment, see d3rlpy_peer.py.

Everything but the algorithm is ours: the pictures of the cache, the trunk of the cloned policy for
actor, critic and value. `python d3rlpy_train.py REQUEST.json` writes the actor's weights and, on
standard output, the steps done.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import d3rlpy
import numpy as np
import torch
from d3rlpy.models.torch import Encoder, EncoderWithAction
from safetensors.torch import save_file
from torch import nn

from mtopt_learning.clone.network import CloneTrunk, default_clone

_REQUEST = json.loads(Path(sys.argv[1]).read_text())
_CAMERAS = {name: tuple(size) for name, size in _REQUEST["cameras"].items()}
_TASKS = _REQUEST["tasks"]
_STATE = 7


class StateEncoder(Encoder):
    """Pictures, proprioception and task → features."""

    def __init__(self):
        super().__init__()
        self.trunk = CloneTrunk(default_clone(_TASKS, _CAMERAS, outputs="squashed"))

    def forward(self, x) -> torch.Tensor:
        """Takes a picture of each camera (batch, h, w, 3) 0 to 255, and (batch, 7 + tasks)."""
        images = {
            name: picture.permute(0, 3, 1, 2).float() * (2 / 255) - 1
            for name, picture in zip(_CAMERAS, x)
        }
        numbers = x[len(_CAMERAS)]
        return self.trunk(images, numbers[:, :_STATE], numbers[:, _STATE:])


class StateActionEncoder(EncoderWithAction):
    """The same and an action → features."""

    def __init__(self, action_size: int):
        super().__init__()
        self.state = StateEncoder()
        hidden = self.state.trunk.config.hidden
        self.joined = nn.Linear(hidden + action_size, hidden)

    def forward(self, x, action: torch.Tensor) -> torch.Tensor:
        """Takes what `StateEncoder` takes and (batch, action size)."""
        return torch.relu(self.joined(torch.cat([self.state(x), action], 1)))


@dataclasses.dataclass()
class TrunkFactory(d3rlpy.models.EncoderFactory):
    """Gives d3rlpy our encoders."""

    def create(self, observation_shape) -> StateEncoder:
        """The actor's and the value's."""
        return StateEncoder()

    def create_with_action(
        self, observation_shape, action_size: int, discrete_action: bool = False
    ) -> StateActionEncoder:
        """The critics'."""
        return StateActionEncoder(action_size)

    @staticmethod
    def get_type() -> str:
        """Its name in d3rlpy."""
        return "mtopt_trunk"


def episodes() -> list:
    """One a recorded episode, without copies of pictures."""
    with np.load(_REQUEST["arrays"], allow_pickle=False) as file:
        arrays = dict(file)  # each look into the file would read, and its slices keep, all anew
    count = len(arrays["numbers"])
    pictures = [
        np.memmap(_REQUEST["pictures"][name], np.uint8, "r", shape=(count, *size, 3))
        for name, size in _CAMERAS.items()
    ]
    out = []
    for start, steps, success in zip(arrays["start"], arrays["steps"], arrays["success"]):
        rows = slice(start, start + steps)
        rewards = np.zeros((steps, 1), np.float32)
        rewards[-1] = success
        out.append(
            d3rlpy.dataset.Episode(
                [*(p[rows] for p in pictures), arrays["numbers"][rows]],
                arrays["action"][rows], rewards, terminated=True,
            )
        )  # fmt: skip
    return out


def main() -> None:
    """Trains and writes."""
    d3rlpy.seed(_REQUEST["seed"])
    if _REQUEST["threads"]:
        torch.set_num_threads(_REQUEST["threads"])
    on_gpu = _REQUEST["device"] != "cpu" and torch.cuda.is_available()
    factory = TrunkFactory()
    iql = d3rlpy.algos.IQLConfig(
        actor_encoder_factory=factory, critic_encoder_factory=factory,
        value_encoder_factory=factory, batch_size=_REQUEST["batch"], gamma=_REQUEST["gamma"],
    ).create(device="cuda:0" if on_gpu else "cpu:0")  # fmt: skip
    buffer = d3rlpy.dataset.ReplayBuffer(d3rlpy.dataset.InfiniteBuffer(), episodes=episodes())
    iql.fit(
        buffer, n_steps=_REQUEST["steps"], n_steps_per_epoch=_REQUEST["steps"],
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(), show_progress=False,
        callback=lambda algorithm, epoch, step: sys.stdout.write(f"{step}\n"),
    )  # fmt: skip
    state = {k: v.contiguous().cpu() for k, v in iql.impl.policy.state_dict().items()}
    save_file(state, _REQUEST["weights"])


if __name__ == "__main__":
    main()
