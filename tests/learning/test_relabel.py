"""Impersonation and re-balancing."""

import numpy as np
import pytest
from reach_world import TASKS

from mtopt_learning.relabel.impersonation import impersonate, shared_with
from mtopt_learning.relabel.sampler import SamplerConfig, StepSampler, describe
from mtopt_spec.errors import InputError

NAN = np.nan
LABELS = np.array([[1, 0, 0], [0, 1, NAN], [0, 0, 1], [NAN, 0, 0]], np.float32)
OWN = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("sharing", "known"),
    [
        ("f_orig", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ("f_skill", [[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0]]),
        ("f_all", [[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 1, 1]]),
    ],
)
def test_who_shares_with_whom(sharing, known):
    index = impersonate(LABELS, OWN, shared_with(TASKS, TASKS.names, sharing))
    np.testing.assert_array_equal(np.isfinite(index), np.array(known, bool))
    # Failures are shared as well as successes, each with the judgement of its own task.
    np.testing.assert_array_equal(index[np.isfinite(index)], LABELS[np.isfinite(index)])


def test_unknown_sharing_is_named():
    with pytest.raises(InputError, match="f_most.*f_skill"):
        shared_with(TASKS, TASKS.names, "f_most")


def rare_index(episodes=1000, rare=5):
    """Task 0 succeeds in half of the episodes, task 1 in five; task 2 has no data."""
    index = np.zeros((episodes, 3), np.float32)
    index[: episodes // 2, 0] = 1
    index[:rare, 1] = 1
    index[:, 2] = NAN
    return index


def test_rebalanced_batches_hold_each_task_and_outcome_alike():
    config = SamplerConfig(success_share=0.5, tasks_per_state=1)
    sampler = StepSampler(rare_index(), np.full(1000, 7), config)
    draw = sampler.draw(4000, np.random.default_rng(0))
    held = describe(draw, TASKS.names)
    assert set(held) == {"lift-red", "lift-blue"}
    for entries, share in held.values():
        assert abs(entries - 2000) < 150 and abs(share - 0.5) < 0.05
    assert draw.step.min() == 0 and draw.step.max() == 6


def test_further_tasks_of_a_state_do_not_undo_the_balance():
    config = SamplerConfig(success_share=0.5, tasks_per_state=2)
    draw = StepSampler(rare_index(), np.full(1000, 7), config).draw(4000, np.random.default_rng(0))
    assert draw.task.shape == (4000, 2) and np.all(draw.task[:, 0] != draw.task[:, 1])
    for _, share in describe(draw, TASKS.names).values():
        assert abs(share - 0.5) < 0.06


def test_uniform_batches_are_as_the_data_are():
    sampler = StepSampler(rare_index(), np.full(1000, 7), SamplerConfig(balance="uniform"))
    held = describe(sampler.draw(8000, np.random.default_rng(0)), TASKS.names)
    assert abs(held["lift-red"][1] - 0.5) < 0.05
    assert held["lift-blue"][1] < 0.03


def test_newest_episodes_get_their_share():
    config = SamplerConfig(recent_share=0.5, recent_episodes=50)
    draw = StepSampler(rare_index(rare=1000), np.full(1000, 3), config).draw(
        4000, np.random.default_rng(0)
    )
    blue = draw.episode[draw.task[:, 0] == 1]
    assert abs(np.mean(blue >= 950) - 0.525) < 0.05


def test_no_data_is_said():
    with pytest.raises(InputError, match="no labelled episode"):
        StepSampler(np.full((3, 2), NAN, np.float32), np.ones(3), SamplerConfig())


def test_deciding_steps_get_their_share():
    deciding = np.where(np.arange(1000) % 2 == 0, 5, -1)
    config = SamplerConfig(deciding_share=0.4, balance="uniform")
    sampler = StepSampler(rare_index(), np.full(1000, 10), config, deciding_step=deciding)
    draw = sampler.draw(8000, np.random.default_rng(0))
    even = draw.episode % 2 == 0
    assert abs(np.mean(draw.step[even] == 5) - (0.4 + 0.6 * 0.1)) < 0.03
    assert abs(np.mean(draw.step[~even] == 5) - 0.1) < 0.03
