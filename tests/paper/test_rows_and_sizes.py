"""The rows of the tables, the experiment's sizes, and what is collected."""

import argparse
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mtopt_bringup.benchmarks import paper as command
from mtopt_bringup.paper import experiment, published
from mtopt_bringup.paper.arms import ARMS, LEARNERS, chosen_arms
from mtopt_bringup.paper.collect import AsEasiest, account, task_cycle
from mtopt_bringup.paper.config import SCALES, PaperConfig
from mtopt_learning.checkpoint.configuration import to_plain
from mtopt_sim.cell import cell_tasks
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason, PolicyAnswer, PolicyRequest

SMALL = SCALES["small"]
OWN, UNIFORM = {"sharing": "f_orig"}, {"sampler.balance": "uniform"}
DIFFERENCES = {
    "mt_opt": {},
    "naive": {**OWN, **UNIFORM},
    "share_all": {"sharing": "f_all", **UNIFORM},
    "share_all_once": {"sharing": "f_all", **UNIFORM, "sampler.tasks_per_state": 1},
    "orig_rebalanced": OWN,
    "all_rebalanced": {"sharing": "f_all"},
    "skill_uniform": UNIFORM,
    "two_tasks": {"tasks": ["lift-any", "place-any"]},
    "multi_head": {"multi_head": True},
    "cem_max": {"backup": "cem_max"},
    "proposals": {"proposals": True},
    "shoulder": {"cameras": ["shoulder"]},
    "no_map": {"affordance_weight": 0.0},
    "clone": {},
    "iql": {**OWN, **UNIFORM},
    **{
        "single_" + task.replace("-", "_"): {
            "tasks": [task], **OWN, **UNIFORM, "sampler.tasks_per_state": 1
        }
        for task in ("lift-any", "lift-sausage", "lift-carrot")
    },
}  # fmt: skip
"""What a row's settings have that MT-Opt's have not."""


def flat(plain, root=""):
    out = {}
    for key, value in plain.items():
        inner = flat(value, f"{root}{key}.") if isinstance(value, dict) else {root + key: value}
        out.update(inner)
    return out


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_row_differs_from_mt_opt_in_what_its_title_says(arm):
    settings = flat(to_plain(arm.train_config(SMALL.train, seed=3)))
    mt_opt = flat(to_plain(ARMS[0].train_config(SMALL.train, seed=3)))
    assert mt_opt == flat(to_plain(replace(SMALL.train, seed=3)))
    assert {k: v for k, v in settings.items() if v != mt_opt[k]} == DIFFERENCES[arm.name]
    assert arm.learner == {"clone": "clone", "iql": "iql"}.get(arm.name, "q")


def test_rows_have_names_and_titles_of_their_own_and_tasks_of_the_cell():
    assert len({arm.name for arm in ARMS}) == len({arm.title for arm in ARMS}) == len(ARMS)
    tasks = set(cell_tasks().names)
    assert tuple(cell_tasks().names) == published.TASKS
    assert all(set(arm.tasks) <= tasks and arm.learner in LEARNERS for arm in ARMS)
    assert set(published.SUCCESS) - {"single"} <= {arm.name for arm in ARMS}
    assert set(published.ABLATION) <= {arm.name for arm in ARMS}


def test_chosen_rows_come_in_the_tables_order_and_an_unknown_one_is_named():
    chosen = chosen_arms(replace(SMALL, arms=("clone", "mt_opt")))
    assert [arm.name for arm in chosen] == ["mt_opt", "clone"]
    assert chosen_arms(SMALL) == ARMS
    with pytest.raises(InputError, match="rows in experiment: got .'dqn'., expected .'mt_opt'"):
        chosen_arms(replace(SMALL, arms=("mt_opt", "dqn")))


@pytest.mark.parametrize(
    ("name", "value"),
    [("scripted_episodes", 0), ("learned_rounds", -1), ("steps", 0), ("seeds", 0), ("robots", 0),
     ("evaluation_episodes", 0), ("lift_share", 0), ("learned_episodes", 0),
     ("online_episodes", 0), ("online_steps", 0), ("epsilon", 1.5), ("noise", -0.1)],
)  # fmt: skip
def test_sizes_that_cannot_be_are_named(name, value):
    with pytest.raises(InputError, match=f"{name} in experiment: got {value}"):
        replace(SMALL, **{name: value})


def test_the_command_offers_the_scales_and_parts_that_there_are():
    assert command.SCALES == tuple(SCALES) and command.PARTS == experiment.PARTS


# -- collecting -------------------------------------------------------------------------------


def test_each_task_comes_as_often_as_its_share_and_mixed():
    tasks = cell_tasks()
    cycle = task_cycle(tasks, replace(SMALL, lift_share=5, place_share=3))
    assert Counter(cycle) == {**dict.fromkeys(tasks.names, 1), "lift-any": 5, "place-any": 3}
    cycle = task_cycle(tasks, SMALL)
    assert len(cycle) == 48 + 8 + 10 and cycle == task_cycle(tasks, SMALL)
    assert cycle != task_cycle(tasks, replace(SMALL, seed=1))
    assert len(set(cycle[:33])) > 4, "rare tasks do not wait for the end"


def test_every_task_is_done_as_the_easiest_of_its_skill():
    class Told:
        def choose(self, requests):
            self.requests = requests
            return [PolicyAnswer(Action(), q_value=float(r.step_index)) for r in requests]

    told, names = Told(), ("lift-can", "place-bottom", "lift-any", "place-any")
    requests = [PolicyRequest("robot_1", "e", i, 0, n, "p", None) for i, n in enumerate(names)]
    answers = AsEasiest(told, cell_tasks()).choose(requests)
    assert [r.task for r in told.requests] == ["lift-any", "place-any", "lift-any", "place-any"]
    assert [replace(r, task=n) for r, n in zip(told.requests, names, strict=True)] == requests
    assert [a.q_value for a in answers] == [0, 1, 2, 3]


def test_account_by_hand():
    """Five episodes of three tasks; the last one was void."""
    tasks = cell_tasks().subset(["lift-any", "lift-can", "place-any"])
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [1, 1, 1]], np.float32)
    dataset = SimpleNamespace(
        labels=lambda source: {"best": labels}[source],
        episode_reason=np.array([EndReason.TERMINATE] * 4 + [EndReason.FAULT]),
        episode_task=np.array([0, 1, 1, 2, 0]),
        episode_policy=np.array(["script", "qfunction", "script", "script", "script"], object),
        n_episodes=5, n_obs=30, fingerprint="f",
    )  # fmt: skip
    found = account(dataset, tasks)
    assert {k: v for k, v in found.items() if k != "tasks"} == {
        "episodes": 5, "void_episodes": 1, "observations": 30, "fingerprint": "f"
    }  # fmt: skip
    assert found["tasks"] == {
        "lift-any": {
            "own": 1, "own_successes": 1, "skill_successes": 2, "policies": {"script": 1},
        },
        "lift-can": {
            "own": 2, "own_successes": 0, "skill_successes": 1,
            "policies": {"qfunction": 1, "script": 1},
        },
        "place-any": {
            "own": 1, "own_successes": 1, "skill_successes": 1, "policies": {"script": 1},
        },
    }  # fmt: skip


def test_a_scale_is_a_whole_configuration():
    assert all(isinstance(config, PaperConfig) for config in SCALES.values())
    full = SCALES["full"]
    collected = full.scripted_episodes + full.learned_rounds * full.learned_episodes
    assert collected >= 200_000 and full.seeds == 3


# -- the command line -------------------------------------------------------------------------


def configured(*options):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.configuration(parser.parse_args(list(options)))


def test_the_command_line_changes_sizes_rows_and_seeds():
    assert configured() == SMALL
    assert configured("--scale", "full") == SCALES["full"]
    found = configured(
        "--set", "steps=20", "epsilon=0.1", "--rows", "mt_opt", "clone", "--seeds", "2"
    )
    assert found == replace(SMALL, steps=20, epsilon=0.1, arms=("mt_opt", "clone"), seeds=2)
    nested = configured("--set", "train={batch: 16, cem: {elites: 3}}").train
    cem = replace(SMALL.train.cem, elites=3)
    assert nested == replace(SMALL.train, batch=16, cem=cem) and nested.threads == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "step=3"], "PaperConfig settings in --set: got .'step'."),
        (["--set", "steps"], "steps in --set: got None"),
        (["--set", "steps=many"], "steps in --set: got 'many'"),
        (["--set", "steps=0"], "steps in experiment: got 0"),
        (["--set", "steps=[1"], "steps in --set.*YAML"),
    ],
)
def test_what_the_command_line_cannot_mean_is_named(options, says):
    with pytest.raises(InputError, match=says):
        configured(*options)
