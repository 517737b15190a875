"""Q-networks: shapes and counts of parameters, worked out by hand."""

import dataclasses

import pytest
import torch
from reach_world import CAMERAS, TASKS

from mtopt_learning.qlearn.network import NetworkConfig, QNetwork, default_network
from mtopt_learning.qlearn.networks import build_network
from mtopt_learning.qlearn.published import PublishedConfig, published_network
from mtopt_learning.qlearn.tower import TowerConfig
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError

TOY = NetworkConfig(
    len(TASKS), tuple(TowerConfig(c, 16, 16, (8, 16), (4, 3), (2, 2), 16) for c in CAMERAS), 32, 24
)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def toy_state(batch):
    images = {c: torch.randint(0, 256, (batch, 3, 16, 16), dtype=torch.uint8) for c in CAMERAS}
    return images, torch.zeros(batch, 7)


def test_small_network_by_hand():
    network = QNetwork(default_network(12, {"shoulder": (64, 64), "wrist": (32, 32)}))
    # 64 px: 3x3/2 -> 32, 16, 8, 4.
    shoulder = (9 * 3 + 1) * 32 + (9 * 32 + 1) * 64 + 2 * (9 * 64 + 1) * 64
    assert parameters(network.towers["shoulder"]) == shoulder + (4 * 4 * 64 + 1) * 128
    # 32 px: 4x4/2 -> 16, 3x3/2 -> 8, 3x3/1 -> 8.
    wrist = (4 * 4 * 3 + 1) * 32 + (9 * 32 + 1) * 48 + (9 * 48 + 1) * 64
    assert parameters(network.towers["wrist"]) == wrist + (8 * 8 * 64 + 1) * 128
    assert parameters(network.join) == (128 + 128 + 64 + 1) * 256
    assert parameters(network.task_gate) == parameters(network.task_shift) == 12 * 256
    assert parameters(network.from_map) == (6 + 5) * 256
    head = (256 + 1) * 128 + 7 * 128 + (128 + 1) * 128 + 128 + 1
    assert [parameters(h) for h in network.heads] == [head, head]


def test_single_head_takes_the_task_as_an_input():
    torch.manual_seed(0)
    network = QNetwork(TOY)
    embedding = network.embed(*toy_state(4))
    assert embedding.shape == (4, 32)
    logits = network.logits(embedding, torch.tensor([0, 1, 2, 0]), torch.zeros(4, 5, 7))
    assert logits.shape == (2, 4, 5)
    other = network.logits(embedding, torch.tensor([1, 1, 2, 0]), torch.zeros(4, 5, 7))
    assert torch.equal(logits[:, 1:], other[:, 1:]) and not torch.equal(logits[:, 0], other[:, 0])


def test_multi_head_has_one_output_a_task_on_one_trunk():
    torch.manual_seed(0)
    network = QNetwork(dataclasses.replace(TOY, multi_head=True))
    single = QNetwork(TOY)
    # No task input (2 x 3 x 32), two more outputs (24 + 1) of each of the two heads.
    assert parameters(network) == parameters(single) - 2 * 3 * 32 + 2 * 2 * (24 + 1)
    task, action = torch.tensor([0, 1, 2, 1]), torch.randn(4, 5, 7)
    embedding = network.embed(*toy_state(4))
    logits = network.logits(embedding, task, action)
    assert logits.shape == (2, 4, 5)
    # Row 1 reads output 1 of each head; its gradient reaches no other task's output.
    logits[:, 1].sum().backward()
    for head in network.heads:
        assert head.logit.bias.grad.tolist() == [0, 5, 0]


def test_published_network_by_hand():
    config = published_network(12, {"shoulder": (512, 640), "wrist": (64, 64)})
    assert (config.camera, config.crop_px) == ("shoulder", 472)
    network = build_network(config)
    norm = 2 * 64
    first = (6 * 6 * 3 + 1) * 64 + norm
    fives = 6 * ((5 * 5 * 64 + 1) * 64 + norm)
    threes = 9 * ((3 * 3 * 64 + 1) * 64 + norm)
    assert parameters(network.picture) == first + fives
    assert parameters(network.merged) == threes
    # Action 3 + 1 + 1 + 1 + 1, state 1 + 1 + 3 + 2 numbers, a bias for each of the 5 and 4 blocks.
    assert parameters(network.action_blocks) == (7 + 5) * 256
    assert parameters(network.state_blocks) == (7 + 4) * 256
    assert parameters(network.task_block) == 12 * 256
    assert parameters(network.joint) == 2 * 256 + (256 + 1) * 64
    # 472 -> 236 -> 79 -> 27 -> 14, and 8 after three layers without padding.
    assert parameters(network.dense) == (8 * 8 * 64 + 1) * 64 + norm + (64 + 1) * 64 + norm
    assert parameters(network.logit) == 64 + 1
    assert parameters(network) == 1_248_769


def test_published_network_sees_a_picture_once_and_each_action_alone():
    torch.manual_seed(0)
    network = build_network(PublishedConfig(3, "shoulder", crop_px=218))
    image = torch.randint(0, 256, (2, 3, 230, 240), dtype=torch.uint8)
    with torch.no_grad():
        embedding = network.embed({"shoulder": image}, torch.rand(2, 7))
        assert embedding.shape == (2, 64 * 13 * 13 + 256)
        task, action = torch.tensor([0, 2]), torch.randn(2, 3, 7)
        logits = network.logits(embedding, task, action)
        assert logits.shape == (1, 2, 3)
        alone = network.logits(embedding[1:], task[1:], action[1:, 2:])
        torch.testing.assert_close(alone[:, 0, 0], logits[:, 1, 2], atol=1e-4, rtol=1e-4)
        assert (network.logits(embedding, 1 - task % 2, action) != logits).any()
        # What lies outside the middle is not looked at.
        image[..., :6, :] = 0
        again = network.embed({"shoulder": image}, torch.rand(2, 7))
        assert torch.equal(again[:, :-256], embedding[:, :-256])


def test_published_network_wants_large_pictures():
    with pytest.raises(InputError, match="64x64.*472x472"):
        published_network(3, {"shoulder": (64, 64)})
    with pytest.raises(InputError, match="crop_px"):
        PublishedConfig(3, "shoulder", crop_px=217)


def test_multi_head_of_the_published_network():
    network = build_network(PublishedConfig(12, "shoulder", multi_head=True))
    assert parameters(network) == 1_248_769 - 12 * 256 + 11 * (64 + 1)


def test_multi_head_is_a_setting_of_training(toy):
    config = TrainConfig(tasks=("lift-red", "lift-blue"), batch=16, multi_head=True)
    trainer = Trainer(TASKS, CAMERAS, config)
    trainer.set_data(toy)
    before = trainer.online.heads[0].logit.weight.detach().clone()
    trainer.train(steps=2)
    moved = (trainer.online.heads[0].logit.weight != before).any(1)
    assert moved.tolist() == [True, True, False]  # nothing was learned of place-any
