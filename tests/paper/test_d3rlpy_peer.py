"""What IQL of d3rlpy is given, and its actor as a clone.

Its training needs an environment of its own, some hundred MB to fetch: it runs where that is
installed already, or with MTOPT_TEST_PEERS=1.
"""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtopt_bringup.benchmarks.synthetic_dataset import write_synthetic
from mtopt_bringup.paper.d3rlpy_peer import (
    COMPLETE,
    actor_weights,
    peer_arrays,
    peer_folder,
    train_peer,
)
from mtopt_learning.clone.network import CloneNetwork, CloneTrunk, default_clone
from mtopt_learning.clone.run import load_clone
from mtopt_learning.clone.training import CloneConfig
from mtopt_learning.dataset.cache import Dataset
from mtopt_sim.cell import cell_tasks
from mtopt_spec.action import MAX_AZIMUTH_RAD, MAX_TRANSLATION_M
from mtopt_spec.interfaces import EndReason

CAMERAS = {"shoulder": (32, 32), "wrist": (32, 32)}


def test_arrays_by_hand():
    """Four episodes of two tasks: a success, a fault, one that nobody judged, a failure."""
    steps = np.array([2, 1, 1, 1])
    start = np.array([0, 3, 5, 7])
    action = np.zeros((9, 8), np.float32)
    action[:, 4] = 1  # no turn
    action[0, :3] = [MAX_TRANSLATION_M, -MAX_TRANSLATION_M, MAX_TRANSLATION_M / 2]
    action[0, 3:5] = [np.sin(MAX_AZIMUTH_RAD / 2), np.cos(MAX_AZIMUTH_RAD / 2)]
    action[0, 5] = action[1, 7] = 1
    action[[2, 4, 6, 8]] = np.nan
    labels = np.array([[0.9, 0], [1, 1], [1, np.nan], [1, 0.2]], np.float32)
    dataset = SimpleNamespace(
        labels=lambda source: {"best": labels}[source], action=action,
        state=np.arange(63, dtype=np.float32).reshape(9, 7),
        episode_task=np.array([0, 0, 1, 1]), episode_steps=steps, episode_start=start,
        episode_reason=np.array([EndReason.TERMINATE, EndReason.FAULT] + [EndReason.LIMIT] * 2),
        last_row=lambda episodes: start[episodes] + steps[episodes],
    )  # fmt: skip
    arrays = peer_arrays(dataset, 2)
    assert arrays["start"].tolist() == [0, 7] and arrays["steps"].tolist() == [2, 1]
    assert arrays["success"].tolist() == [1, 0]
    np.testing.assert_allclose(arrays["action"][0], [1, -1, 0.5, 0.5, 1, -1, -1], atol=1e-6)
    np.testing.assert_allclose(arrays["action"][1], [0, 0, 0, 0, -1, -1, 1])
    assert not arrays["action"][[2, 4, 6, 8]].any()
    np.testing.assert_array_equal(arrays["numbers"][:, :7], dataset.state)
    np.testing.assert_array_equal(arrays["numbers"][:, 7], [1, 1, 1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(arrays["numbers"][:, 8], 1 - arrays["numbers"][:, 7])
    assert {a.dtype.name for a in (arrays["action"], arrays["numbers"])} == {"float32"}


def test_the_actor_acts_as_it_did_in_d3rlpy():
    torch.manual_seed(0)
    config = default_clone(3, CAMERAS, outputs="squashed")
    trunk, mu = CloneTrunk(config), torch.nn.Linear(config.hidden, 7)
    state = {f"_encoder.trunk.{k}": v for k, v in trunk.state_dict().items()}
    state |= {"_mu.weight": mu.weight.detach(), "_mu.bias": mu.bias.detach()}
    state["_logstd"] = torch.zeros(1, 7)
    network = CloneNetwork(config)
    network.load_state_dict(actor_weights(state))
    images = {c: torch.randint(0, 256, (4, 3, *size)).byte() for c, size in CAMERAS.items()}
    seen = images, torch.rand(4, 7), F.one_hot(torch.arange(4) % 3, 3).float()
    with torch.no_grad():
        torch.testing.assert_close(network(*seen), mu(trunk(*seen)))


@pytest.mark.skipif(
    not (peer_folder() / COMPLETE).exists() and not os.environ.get("MTOPT_TEST_PEERS"),
    reason="d3rlpy's environment is not installed; MTOPT_TEST_PEERS=1 installs it",
)
@pytest.mark.timeout(900)
def test_iql_trains_and_its_actor_is_a_clones_checkpoint(tmp_path):
    tasks, told = cell_tasks(), []
    write_synthetic(tmp_path / "data", tasks.names, 40, image_sizes=CAMERAS)
    dataset = Dataset.open(tmp_path / "data")
    config = CloneConfig(steps=3, batch=8, device="cpu", threads=1, seed=2)
    result = train_peer(tmp_path / "run", dataset, tasks, config, told.append)
    assert result["steps"] == 3 and told == [1, 2, 3] and result["episodes"] == 40
    network, names, cameras, _ = load_clone(tmp_path / "run" / "checkpoint", tasks.names)
    assert (names, cameras, network.config.outputs) == (tasks.names, CAMERAS, "squashed")
    assert result["parameters"] == sum(p.numel() for p in network.parameters())
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "checkpoint", "peer.json", "peer.log", "peer.safetensors"
    ]  # fmt: skip
