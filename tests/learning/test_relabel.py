"""Impersonation and re-balancing."""

import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from reach_world import TASKS, collect

from mtopt_learning.relabel.impersonation import impersonate, shared_with, sharing_index
from mtopt_learning.relabel.sampler import Draw, SamplerConfig, StepSampler, describe
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


@dataclass
class Episodes:
    """All that a sharing needs of a data set."""

    episode_task: np.ndarray
    told: dict = field(default_factory=dict)

    def labels(self, source):
        nothing = np.full((len(self.episode_task), len(TASKS)), NAN, np.float32)
        return self.told.get(source, nothing)


@pytest.mark.parametrize(
    ("sharing", "counts"),
    [
        ("f_orig", [[True, False, False]]),
        ("f_skill", [[True, True, False]]),
        ("f_all", [[True, True, True]]),
    ],
)
def test_an_episode_of_no_task_counts_for_those_that_a_person_or_an_import_judged(sharing, counts):
    """The simulator judges every episode for every task, which does not make it data of them."""
    labels = np.array([[1, 0, 1], [NAN, 0, 1], [0, 1, 0]], np.float32)
    person = np.array([[NAN, NAN, NAN], [NAN, 0, NAN], [NAN, NAN, NAN]], np.float32)
    imported = np.array([[NAN, NAN, NAN], [NAN, NAN, NAN], [0, NAN, NAN]], np.float32)
    data = Episodes(np.array([0, -1, -1]), {"person": person, "import": imported})
    index = sharing_index(data, TASKS, labels, sharing)
    of_none = {
        "f_orig": [[False] * 3, [False] * 3],
        "f_skill": [[False, True, False], [True, False, False]],
        "f_all": [[False, True, True], [True] * 3],
    }[sharing]
    np.testing.assert_array_equal(np.isfinite(index), [*counts, *of_none])


def test_a_rule_that_no_one_knows_is_named(monkeypatch, tmp_path):
    data = Episodes(OWN)
    for sharing, match in (
        ("f_most", "f_most.*f_skill.*module:function"),
        ("no_such_module:share", "no_such_module:share.*can be imported"),
        ("mtopt_learning.relabel.success_rates:nothing", "nothing.*can be imported"),
    ):
        with pytest.raises(InputError, match=match):
            sharing_index(data, TASKS, LABELS, sharing)
    (tmp_path / "half_a_rule.py").write_text(
        "def share(dataset, tasks, labels):\n    return [True]"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"half_a_rule:share.*shape \(1,\).*shape \(4, 3\)"):
        sharing_index(data, TASKS, LABELS, "half_a_rule:share")
    assert "half_a_rule" in sys.modules


def test_learned_sharing_finds_the_skills_in_the_labels():
    """Lifting red and blue succeed in each other's episodes, placing in none of theirs."""
    random = np.random.default_rng(0)
    own = np.repeat([0, 1, 2], [400, 60, 100])
    chance = np.array([[0.4, 0.1, 0.0], [0.3, 0.2, 0.005], [0.0, 0.0, 0.5]])
    labels = (random.random((560, 3)) < chance[own]).astype(np.float32)
    labels[5] = NAN
    rule = "mtopt_learning.relabel.success_rates:share_by_success_rate"
    index = sharing_index(Episodes(own), TASKS, labels, rule)
    by_skill = sharing_index(Episodes(own), TASKS, labels, "f_skill")
    np.testing.assert_array_equal(index, by_skill)
    assert np.isnan(index[5]).all() and (index[own == 0, 1] == 0).sum() > 300
    labels[own == 1, 0] = 0  # now the blue ones are of no use to the red task
    index = sharing_index(Episodes(own), TASKS, labels, rule)
    assert np.isnan(index[own == 1, 0]).all() and np.isfinite(index[own == 0, 1]).sum() == 399
    labels[own == 0, 1] = 0  # neither task 0 nor the few judged of task 2 say anything of task 1
    labels[own == 1, 1] = 0
    labels[(own == 2) & (np.arange(560) > 478), 1] = NAN
    labels[own == 2, 1] *= 0
    labels[-100, 1] = 1
    index = sharing_index(Episodes(own), TASKS, labels, rule)
    assert np.isnan(index[own != 1, 1]).all() and np.isfinite(index[own == 1, 1]).all()


def test_a_learned_sharing_of_single_episodes_reaches_the_draws(monkeypatch, tmp_path):
    """A rule by the state in which an episode ended, given by name as in the settings."""
    (tmp_path / "near_the_middle.py").write_text(
        "import numpy as np\n"
        "def share(dataset, tasks, labels):\n"
        "    end = dataset.state[dataset.last_row(np.arange(dataset.n_episodes))]\n"
        "    near = np.hypot(end[:, 2], end[:, 3]) < 0.1\n"
        "    own = np.eye(len(tasks), dtype=bool)[dataset.episode_task]\n"
        "    return near[:, None] | own\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    toy = collect(120, seed=3)
    index = sharing_index(toy, TASKS, toy.labels(), "near_the_middle:share")
    end = toy.state[toy.last_row(np.arange(120))]
    near = np.hypot(end[:, 2], end[:, 3]) < 0.1
    sampler = StepSampler(index, toy.episode_steps, SamplerConfig(), episode_task=toy.episode_task)
    draw = sampler.draw(4000, np.random.default_rng(0))
    assert draw.other.any() and near[draw.episode[draw.other[:, 0]]].all()
    held = describe(draw, TASKS.names)
    assert held["place-any"]["other_tasks"] == 1.0 and 0 < held["lift-red"]["other_tasks"] < 1


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
    for made_up in held.values():
        assert abs(made_up["entries"] - 2000) < 150 and abs(made_up["success"] - 0.5) < 0.05
    assert draw.step.min() == 0 and draw.step.max() == 6


def test_further_tasks_of_a_state_do_not_undo_the_balance():
    config = SamplerConfig(success_share=0.5, tasks_per_state=2)
    draw = StepSampler(rare_index(), np.full(1000, 7), config).draw(4000, np.random.default_rng(0))
    assert draw.task.shape == (4000, 2) and np.all(draw.task[:, 0] != draw.task[:, 1])
    for made_up in describe(draw, TASKS.names).values():
        assert abs(made_up["success"] - 0.5) < 0.06


def test_uniform_batches_are_as_the_data_are():
    sampler = StepSampler(rare_index(), np.full(1000, 7), SamplerConfig(balance="uniform"))
    held = describe(sampler.draw(8000, np.random.default_rng(0)), TASKS.names)
    assert abs(held["lift-red"]["success"] - 0.5) < 0.05
    assert held["lift-blue"]["success"] < 0.03


def test_uniform_draws_every_step_of_every_pair_alike():
    """Three episodes of 1, 2 and 6 steps that count for 2, 1 and 0 tasks: 4 pairs of a step."""
    index = np.array([[1, 0, NAN], [NAN, 1, NAN], [NAN, NAN, NAN]], np.float32)
    config = SamplerConfig(balance="uniform")
    draw = StepSampler(index, np.array([1, 2, 6]), config).draw(8000, np.random.default_rng(0))
    pair, count = np.unique(
        np.stack([draw.episode, draw.step, draw.task[:, 0]]), axis=1, return_counts=True
    )
    assert pair.T.tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]]
    assert np.abs(count - 2000).max() < 160


def test_what_a_batch_held_is_told_by_weight():
    """Two states for two tasks each; task 1 weighs 3 for a failure that it borrowed from task 0."""
    draw = Draw(
        episode=np.array([4, 9]), step=np.array([0, 1]), task=np.array([[0, 1], [1, 0]]),
        success=np.array([[1, 0], [1, 0]], np.float32),
        weight=np.array([[2, 3], [1, 0]], np.float32),
        other=np.array([[False, True], [False, True]]), recent=np.array([False, True]),
    )  # fmt: skip
    assert describe(draw, TASKS.names) == {
        "lift-red": {"entries": 1, "success": 1.0, "other_tasks": 0.0, "recent": 0.0},
        "lift-blue": {"entries": 2, "success": 0.25, "other_tasks": 0.75, "recent": 0.25},
    }


def test_newest_episodes_get_their_share():
    config = SamplerConfig(recent_share=0.5, recent_episodes=50)
    draw = StepSampler(rare_index(rare=1000), np.full(1000, 3), config).draw(
        4000, np.random.default_rng(0)
    )
    blue = draw.episode[draw.task[:, 0] == 1]
    assert abs(np.mean(blue >= 950) - 0.525) < 0.05
    assert abs(describe(draw, TASKS.names)["lift-blue"]["recent"] - 0.525) < 0.05


@pytest.mark.parametrize("wrong", [{"balance": "even"}, {"success_share": 1.5}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SamplerConfig(**wrong)


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
