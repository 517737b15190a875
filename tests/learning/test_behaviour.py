"""The cloned policy beside Q: what it proposes, and what Q takes of that."""

import math

import numpy as np
import pytest
import torch
from reach_world import CAMERAS, TASKS
from test_goals import GOALS, ONLY_GOALS, greedy, reach_shown_patches
from test_trainer import SMALL

from mtopt_learning.qlearn.actions import CLOSE, OPEN, TERMINATE
from mtopt_learning.qlearn.behaviour import (
    COMMANDS,
    STOP,
    ProposalConfig,
    best_proposal,
    clone_loss,
    command_class,
)
from mtopt_learning.qlearn.network import QNetwork
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError

FEW = ProposalConfig(moves=3, least_probability=0.2)
MOVE = torch.tensor([0.5, -0.5, 0.0, 0.97])


def output(*likely):
    """The clone's output of one state: `MOVE`, and commands of these probabilities."""
    return torch.cat([MOVE, torch.tensor(likely).clamp_min(1e-9).log()])[None]


def best(score, likely):
    offsets = torch.full((1, FEW.moves, 4), 0.1)
    return best_proposal(score, output(*likely)[:, None], FEW, offsets)


def test_q_decides_among_likely_commands_and_moves_around_the_cloned_one():
    code, q = best(lambda code: code[..., CLOSE] + code[..., 0], (0.5, 0.3, 0.1, 0.1))
    assert code[0].tolist() == pytest.approx([0.6, -0.4, 0.1, 1.0, 1.0, 0.0, 0.0])
    assert q.item() == pytest.approx(1.6)
    code, _ = best(lambda code: -code[..., 0], (0.5, 0.3, 0.1, 0.1))
    assert code[0, :4].tolist() == pytest.approx(MOVE.tolist()), "the cloned move is one of them"


def test_of_several_cloned_moves_each_is_proposed_with_its_own_commands():
    one, other = output(0.7, 0.0, 0.3, 0.0)[0], output(0.0, 0.7, 0.0, 0.3)[0].clone()
    other[:4] = -MOVE
    both, offsets = torch.stack([one, other])[None], torch.full((1, 7, 4), 0.1)
    seen = []

    def score(code):
        seen.append(code)
        return code[..., CLOSE] - code[..., 0]

    code, q = best_proposal(score, both, FEW, offsets)
    assert code[0].tolist() == pytest.approx([*(-MOVE).tolist(), 1, 0, 0]) and q.item() == 1.5
    moves = seen[0][0].view(2, 10, 7)[:, :9, :4].view(2, 3, 3, 4)
    for which, move in enumerate((MOVE, -MOVE)):
        wanted = torch.stack([move, (move + 0.1).clamp(-1, 1), (move + 0.1).clamp(-1, 1)])
        torch.testing.assert_close(moves[which], wanted.expand(3, 3, 4))
    for flag, command in ((OPEN, 2), (TERMINATE, STOP)):  # as the one, as the other
        code, _ = best_proposal(lambda code, flag=flag: code[..., flag], both, FEW, offsets)
        assert command_class(code).tolist() == [command]


def test_what_the_clone_thinks_unlikely_is_not_done_whatever_q_says():
    for flag in (OPEN, TERMINATE):
        code, _ = best(lambda code, flag=flag: code[..., flag], (0.5, 0.3, 0.1, 0.1))
        assert code[0, flag] == 0
    code, _ = best(lambda code: code[..., TERMINATE], (0.4, 0.3, 0.0, 0.3))
    assert code[0].tolist() == [0.0] * TERMINATE + [1.0], "terminate is one action"
    none_is_likely = ProposalConfig(moves=1, least_probability=0.9)
    code, _ = best_proposal(
        lambda code: code[..., CLOSE], output(0.2, 0.2, 0.4, 0.2)[:, None], none_is_likely,
        torch.zeros(1, 1, 4),
    )  # fmt: skip
    assert command_class(code).tolist() == [2], "the likeliest one is left"


def test_the_loss_counts_what_it_is_told_to():
    random = torch.Generator().manual_seed(0)
    out = torch.randn(4, 4 + COMMANDS, generator=random)
    code = torch.zeros(4, 7)
    code[:, :4] = torch.rand(4, 4, generator=random)
    code[2:] = 0.0
    code[2:, TERMINATE] = 1.0
    some = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert clone_loss(out, code, some).item() == pytest.approx(
        clone_loss(out[::2], code[::2]).item(), rel=1e-5
    )
    nothing = clone_loss(out, code, torch.zeros(4))
    assert nothing.item() == 0 and command_class(code).tolist() == [0, 0, STOP, STOP]
    no_move = torch.cat([torch.randn(1, 4), torch.zeros(1, COMMANDS)], 1)
    assert clone_loss(no_move, code[2:3]).item() == pytest.approx(math.log(COMMANDS))


def test_of_near_misses_it_learns_that_nobody_terminates_and_no_more():
    out = torch.zeros(2, 4 + COMMANDS)
    out[1, 4 + STOP] = math.log(3)  # of 3 + 3: the chance to terminate is a half
    code = torch.zeros(2, 7)
    code[1, TERMINATE] = 1.0
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    loss = clone_loss(out, code, first, second)
    assert loss.item() == pytest.approx((math.log(4) + math.log(2)) / 2)
    out.requires_grad_()
    clone_loss(out, code, 0 * first, second).backward()
    assert (out.grad[0] == 0).all() and (out.grad[1, :4] == 0).all()
    assert out.grad[1, 4 + STOP] > 0 and len(out.grad[1, 4:7].unique()) == 1


def test_a_network_without_goals_has_no_proposals():
    assert not QNetwork(SMALL).proposes
    with pytest.raises(InputError, match="behaviour"):
        type(SMALL)(**{**vars(SMALL), "behaviour": True})


def test_q_among_proposals_reaches_what_a_picture_shows(toy):
    network = type(GOALS)(**{**vars(GOALS), "behaviour": True})
    trainer = Trainer(TASKS, CAMERAS, ONLY_GOALS, network)
    trainer.set_data(toy)
    record = trainer.train(steps=1200)
    trainer.close()
    learned = trainer.average
    proposals, random = ProposalConfig(), np.random.default_rng(0)
    offsets = proposals.goal_std * random.standard_normal((100, proposals.moves, 4), np.float32)

    def among(images, state, goals):
        shown = learned.prepare_goal(goals)
        embedding = learned.embed(images, state, shown)
        task = torch.full((len(state),), learned.goal_task)
        return best_proposal(
            lambda action: learned.q(embedding, task, action),
            learned.behaviour(images, state, task, shown)[0][:, None], proposals,
            torch.from_numpy(offsets),
        )[0]  # fmt: skip

    chosen, searched = reach_shown_patches(among), reach_shown_patches(greedy(learned))
    assert record["behaviour_loss"] < 2.5 and chosen > 0.4, (record, chosen, searched)
