"""Q-networks: shapes and counts of parameters, worked out by hand."""

import dataclasses

import torch
from reach_world import CAMERAS, TASKS

from mtopt_learning.qlearn.network import NetworkConfig, QNetwork, TowerConfig, default_network
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.trainer import Trainer

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
    # 64 px: 8x8/4 -> 15, 3x3/2 -> 8, 3x3/2 -> 4.
    shoulder = (8 * 8 * 3 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 64
    assert parameters(network.towers["shoulder"]) == shoulder + (4 * 4 * 64 + 1) * 128
    # 32 px: 4x4/2 -> 16, 3x3/2 -> 8, 3x3/1 -> 8.
    wrist = (4 * 4 * 3 + 1) * 32 + (9 * 32 + 1) * 48 + (9 * 48 + 1) * 64
    assert parameters(network.towers["wrist"]) == wrist + (8 * 8 * 64 + 1) * 128
    assert parameters(network.join) == (128 + 128 + 64 + 1) * 256
    assert parameters(network.task_gate) == parameters(network.task_shift) == 12 * 256
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


def test_multi_head_is_a_setting_of_training(toy):
    config = TrainConfig(tasks=("lift-red", "lift-blue"), batch=16, multi_head=True)
    trainer = Trainer(TASKS, CAMERAS, config)
    trainer.set_data(toy)
    before = trainer.online.heads[0].logit.weight.detach().clone()
    trainer.train(steps=2)
    moved = (trainer.online.heads[0].logit.weight != before).any(1)
    assert moved.tolist() == [True, True, False]  # nothing was learned of place-any
