"""A run that goes on with more tasks: known ones unchanged, new ones begin as their parents."""

import numpy as np
import pytest
import torch

from mtopt_learning.train.config import GoalConfig, TrainConfig
from mtopt_learning.train.new_tasks import tasks_as_goal, with_new_tasks
from mtopt_learning.train.run_folder import load_run, save_run
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError
from mtopt_spec.task import Task, TaskList

CAMERAS = {"shoulder": (64, 64)}


def task(name, skill="lift"):
    requires = "empty_gripper" if skill == "lift" else "holding"
    return Task(name, skill, requires, {"rule": "lifted", "object": "any"}, "scripted_pick", 0)


OLD = TaskList([task("lift-any"), task("place-any", "place"), task("lift-can")])
NEW = TaskList([*OLD, task("lift-cloth"), task("cover", "place")])
PARENTS = {"lift-cloth": "lift-any", "cover": "place-any"}
ORIGIN = [0, 1, 2, 0, 1]


def trained(multi_head=False, **settings):
    """A trainer whose weights, averages and moments have moved, each task's differently."""
    trainer = Trainer(OLD, CAMERAS, TrainConfig(multi_head=multi_head, device="cpu", **settings))
    embedding = trainer.online.embed(*inputs(6)[:2])
    logits = trainer.online.logits(embedding, torch.tensor([0, 1, 2, 0, 1, 2]), inputs(6)[2])
    (logits * torch.arange(1.0, 7.0).view(1, 6, 1)).sum().backward()
    trainer.optimizer.step()
    trainer.step = 7
    trainer.copies.move(trainer.online, trainer.step, 0.3)
    return trainer


def inputs(states):
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (states, 3, 64, 64), generator=random, dtype=torch.uint8)
    state = torch.rand(states, 7, generator=random)
    return {"shoulder": images}, state, torch.rand(states, 4, 7, generator=random)


@torch.no_grad()
def q_of(network, task):
    images, state, action = inputs(5)
    return network.q(network.embed(images, state), torch.full((5,), task), action)


@pytest.mark.parametrize("multi_head", (False, True))
def test_known_tasks_keep_their_q_and_new_ones_have_their_parents(multi_head):
    old = trained(multi_head, lagged_copy_steps=4)
    new = with_new_tasks(old, NEW, PARENTS)
    for ours, theirs in ((new.online, old.online), (new.average, old.average)):
        for number, origin in enumerate(ORIGIN):
            torch.testing.assert_close(q_of(ours, number), q_of(theirs, origin))
    assert not torch.allclose(q_of(new.online, 3), q_of(new.online, 4)), "tasks differ"
    assert not torch.allclose(q_of(new.online, 0), q_of(new.average, 0)), "the copies differ"
    torch.testing.assert_close(q_of(new.copies.lagged, 4), q_of(old.copies.lagged, 1))


def test_a_clone_proposes_for_a_new_task_what_it_does_for_its_parent():
    old = trained(proposals=True)
    new = with_new_tasks(old, NEW, PARENTS)
    assert old.online.config.proposers == OLD.included() != NEW.included()
    assert new.online.config.proposers == NEW.included()
    (images, state, _), (known, grown) = inputs(5), (t.online.behaviour for t in (old, new))
    for number, origin in enumerate(ORIGIN):
        one, other = (
            policy(images, state, torch.full((5,), task))[0]
            for policy, task in ((grown, number), (known, origin))
        )  # fmt: skip
        torch.testing.assert_close(one, other)


def test_what_was_learned_of_goals_goes_on_behind_more_tasks():
    old = trained(goals=GoalConfig(batch=4, behaviour_weight=1.0))
    new = with_new_tasks(old, NEW, PARENTS)
    assert (old.online.goal_task, new.online.goal_task) == (3, 5)
    np.testing.assert_array_equal(q_of(new.online, 5), q_of(old.online, 3))
    np.testing.assert_array_equal(q_of(new.online, 4), q_of(old.online, 1))


def test_tasks_of_a_network_of_goals_begin_as_the_goal():
    goals = GoalConfig(batch=4, behaviour_weight=1.0)
    config = TrainConfig(batch=0, goals=goals, device="cpu")
    network = Trainer(OLD, CAMERAS, config).online
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    grown = tasks_as_goal(network, OLD.included())
    assert network.config.proposers == () and grown.config.proposers == OLD.included()
    for name, ours in grown.state_dict().items():
        theirs = before[name]
        torch.testing.assert_close(network.state_dict()[name], theirs)
        if "task_gate" in name or "task_shift" in name:
            assert not torch.equal(ours, theirs)
            theirs = theirs[:, -1:].expand_as(theirs)
        if "map.score" in name:  # behind the goal's is that of its picture
            assert not torch.equal(ours, theirs)
            theirs = torch.cat([theirs[len(OLD) : -1].expand(len(OLD), *theirs.shape[1:]),
                                theirs[len(OLD) :]])  # fmt: skip
        torch.testing.assert_close(ours, theirs)
    with pytest.raises(InputError, match="one without goals"):
        tasks_as_goal(trained().online, OLD.included())


def test_a_column_a_task_by_hand():
    old = trained()
    with torch.no_grad():
        old.online.task_gate.weight[:] = torch.tensor([10.0, 20.0, 30.0])
    new = with_new_tasks(old, NEW, PARENTS)
    row = new.online.task_gate.weight[5].tolist()
    assert row == [10.0, 20.0, 30.0, 10.0, 20.0]


def test_step_and_moments_go_on_and_the_old_run_is_left_alone(tmp_path):
    old = trained()
    before = {name: tensor.clone() for name, tensor in old.online.state_dict().items()}
    new = with_new_tasks(old, NEW, PARENTS)
    names = [name for name, _ in new.online.named_parameters()]
    i = names.index("task_gate.weight")
    moments = [t.optimizer.state_dict()["state"][i]["exp_avg"] for t in (old, new)]
    assert moments[0].abs().sum() > 0
    torch.testing.assert_close(moments[1], moments[0][:, ORIGIN])
    assert new.step == 7
    embedding = new.online.embed(*inputs(5)[:2])
    new.optimizer.zero_grad()
    new.online.logits(embedding, torch.full((5,), 3), inputs(5)[2]).sum().backward()
    new.optimizer.step()
    assert not torch.allclose(q_of(new.online, 3), q_of(old.online, 0)), "it learns"
    assert all(torch.equal(before[n], t) for n, t in old.online.state_dict().items())
    save_run(tmp_path, new)
    again = load_run(tmp_path, NEW)
    np.testing.assert_array_equal(q_of(again.average, 3), q_of(new.average, 3))


@pytest.mark.parametrize(
    ("tasks", "parents", "match"),
    (
        (TaskList([NEW[3], *OLD]), PARENTS, "new ones behind them"),
        (OLD, {}, "new ones behind them"),
        (NEW, {"lift-cloth": "lift-any"}, "task"),
        (NEW, {**PARENTS, "cover": "stack"}, "stack"),
    ),
)
def test_bad_tasks_and_parents_are_refused(tasks, parents, match):
    with pytest.raises(InputError, match=match):
        with_new_tasks(trained(), tasks, parents)
