"""The equations, against numbers worked out by hand."""

import numpy as np
import pytest
import torch

from mtopt_learning.qlearn.actions import decode, encode, terminate_code
from mtopt_learning.qlearn.cem import CemConfig, draw_noise, maximise
from mtopt_learning.qlearn.losses import bellman_loss, conservative_loss
from mtopt_learning.qlearn.targets import (
    bellman_target,
    clipped_double,
    highest_target,
    monte_carlo_bound,
    monte_carlo_return,
    value_at_limit,
)
from mtopt_spec.action import Action

BEST = torch.tensor([[0.4, -0.6, 0.1, 0.9], [-0.8, 0.2, 0.0, -0.3]])
WIDE = CemConfig(samples=256, elites=16, iterations=6, first_std=0.8)


def quadratic(code):
    """Highest at BEST with the gripper closing; terminate is worth -0.5."""
    value = (
        -((code[..., :4] - BEST[:, None]) ** 2).sum(-1) + 0.3 * code[..., 4] - 0.3 * code[..., 5]
    )
    return torch.where(code[..., 6] > 0.5, torch.tensor(-0.5), value)


def test_cem_finds_the_top_of_a_quadratic_and_the_better_gripper_command():
    noise = draw_noise(2, WIDE, torch.Generator().manual_seed(0))
    code, score = maximise(quadratic, 2, WIDE, *noise)
    np.testing.assert_allclose(code[:, :4], BEST, atol=0.06)
    assert code[:, 4].tolist() == [1, 1] and code[:, 5].tolist() == [0, 0]
    assert torch.all(score > 0.29)


def test_cem_terminates_where_that_is_best_and_only_if_it_may():
    noise = draw_noise(2, WIDE, torch.Generator().manual_seed(0))
    low = lambda code: quadratic(code) - 2.0 * (code[..., 6] < 0.5)  # noqa: E731
    code, score = maximise(low, 2, WIDE, *noise)
    assert torch.equal(code, terminate_code((2,))) and score.tolist() == [-0.5, -0.5]
    never = CemConfig(samples=256, elites=16, iterations=6, first_std=0.8, terminate=False)
    assert maximise(low, 2, never, *noise)[0][:, 6].tolist() == [0, 0]


def test_cem_is_a_function_of_its_noise():
    noise = draw_noise(2, WIDE, torch.Generator().manual_seed(5))
    again = draw_noise(2, WIDE, torch.Generator().manual_seed(6))
    first = maximise(quadratic, 2, WIDE, *noise)[0]
    assert torch.equal(first, maximise(quadratic, 2, WIDE, *noise)[0])
    assert not torch.equal(first, maximise(quadratic, 2, WIDE, *again)[0])


def test_values_of_a_three_state_chain():
    # s0 -> s1 -> s2, terminated there with success. γ = 0.9, a step costs 0.05.
    label = torch.ones(2)
    terminal = torch.tensor([False, True])
    target = bellman_target(label, terminal, torch.tensor([0.95, 7.0]), 0.9, 0.05)
    np.testing.assert_allclose(target, [0.9 * 0.95 - 0.05, 0.95], atol=1e-6)
    returns = monte_carlo_return(
        label, torch.tensor([2, 1]), torch.zeros(2, dtype=torch.bool), 0.9, 0.05
    )
    np.testing.assert_allclose(returns, target, atol=1e-6)


def test_a_limit_is_no_end_of_the_task():
    fail, win = torch.tensor([0.0]), torch.tensor([1.0])
    ended = torch.tensor([True])
    # Terminated in failure: nothing. Cut off in failure: what could still be done there counts.
    assert bellman_target(fail, ended, torch.tensor([0.8]), 0.9, 0.0).item() == 0.0
    cut_off = bellman_target(fail, ~ended, value_at_limit(fail, torch.tensor([0.8])), 0.9, 0.0)
    assert cut_off.item() == pytest.approx(0.72)
    # Cut off in success: it could have terminated, one step later.
    cut_off = bellman_target(win, ~ended, value_at_limit(win, torch.tensor([0.3])), 0.9, 0.0)
    assert cut_off.item() == pytest.approx(0.9)
    returns = monte_carlo_return(win, torch.tensor([1]), torch.tensor([True]), 0.9, 0.0)
    assert returns.item() == pytest.approx(0.9)


def test_targets_stay_between_nothing_and_success():
    target = bellman_target(torch.zeros(1), torch.tensor([True]), torch.zeros(1), 0.9, 0.05)
    assert target.item() == 0.0
    assert monte_carlo_bound(torch.tensor([0.2]), torch.tensor([0.5])).item() == 0.5
    assert clipped_double(torch.tensor([0.2]), torch.tensor([0.1])).item() == pytest.approx(0.1)


def test_targets_stay_in_the_range_that_discount_and_cost_admit():
    # γ = 0.9, a step costs 0.05. Ending in success: 0.95. Any other step: 0.9 * 0.95 - 0.05.
    terminal = torch.tensor([True, False])
    highest = highest_target(terminal, 0.9, 0.05)
    np.testing.assert_allclose(highest, [0.95, 0.805], atol=1e-6)
    target = bellman_target(torch.ones(2), terminal, torch.tensor([0.0, 1.0]), 0.9, 0.05)
    np.testing.assert_allclose(target, [0.95, 0.805], atol=1e-6)
    # Cut off in success is worth terminating one step later, cost and all.
    cut_off = value_at_limit(torch.ones(1), torch.tensor([0.2]))
    target = bellman_target(torch.ones(1), torch.tensor([False]), cut_off, 0.9, 0.05)
    returns = monte_carlo_return(torch.ones(1), torch.tensor([1]), torch.tensor([True]), 0.9, 0.05)
    assert target.item() == pytest.approx(0.805) == returns.item()
    # Without discount a success 3 steps away costs all three.
    returns = monte_carlo_return(torch.ones(1), torch.tensor([3]), torch.tensor([False]), 1.0, 0.05)
    assert returns.item() == pytest.approx(0.85)


def test_bellman_loss_by_hand_and_blind_to_weight_zero():
    logits = torch.tensor([[0.0, 50.0]])
    loss = bellman_loss(logits, torch.tensor([0.25, 0.0]), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(np.log(2), rel=1e-5)


def test_conservative_loss_draws_the_likelier_action_and_pushes_it_down():
    logits = torch.tensor([[[4.0, -4.0]]], requires_grad=True)
    # exp(Q) shares: e^.982 / (e^.982 + e^.018) = 0.724, so a draw at 0.7 takes the first.
    conservative_loss(logits, torch.tensor([0.7])).backward()
    assert logits.grad[0, 0, 0] > 0.9 and logits.grad[0, 0, 1] == 0.0
    logits.grad = None
    conservative_loss(logits, torch.tensor([0.75])).backward()
    assert logits.grad[0, 0, 0] == 0.0


def test_actions_there_and_back():
    action = Action(translation_m=(0.03, -0.06, 0.0), azimuth_rad=-0.3, close=True)
    vector = torch.from_numpy(action.to_vector())
    code = encode(vector)
    np.testing.assert_allclose(code, [0.5, -1, 0, -1, 1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(decode(code), vector, atol=1e-6)
    assert Action.from_vector(decode(code).numpy()).problem() is None
    stop = Action(translation_m=(0.01, 0, 0), terminate=True)
    assert torch.equal(encode(torch.from_numpy(stop.to_vector())), terminate_code(()))
