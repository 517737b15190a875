"""Goal pictures: how they are drawn, what they are worth, and that a policy reaches them."""

import dataclasses

import numpy as np
import pytest
import torch
from reach_world import CAMERAS, TASKS, ReachWorld
from test_trainer import SMALL

from mtopt_learning.checkpoint.q_function import QFunction, load_q_function
from mtopt_learning.clone.examples import GoalExamples
from mtopt_learning.clone.training import CloneConfig, CloneTrainer
from mtopt_learning.policy.q_policy import (
    ERROR_BAD_IMAGE,
    ERROR_UNKNOWN_TASK,
    ActConfig,
    QFunctionPolicy,
)
from mtopt_learning.qlearn.actions import decode
from mtopt_learning.qlearn.affordance import AffordanceScores
from mtopt_learning.qlearn.affordance_losses import affordance_loss, carried_loss, place_loss
from mtopt_learning.qlearn.behaviour import STOP, ProposalConfig, command_class
from mtopt_learning.qlearn.cem import CemConfig, draw_noise, maximise
from mtopt_learning.qlearn.distortion import DistortionConfig, draw_light
from mtopt_learning.qlearn.losses import conservative_loss
from mtopt_learning.qlearn.network import QNetwork
from mtopt_learning.qlearn.pictures import to_unit
from mtopt_learning.relabel.deciding_steps import GripperChanges, next_gripper_row
from mtopt_learning.relabel.hindsight import HindsightConfig, HindsightSampler
from mtopt_learning.relabel.near_misses import NearMisses
from mtopt_learning.relabel.neighbours import neighbouring_episodes
from mtopt_learning.train.config import GoalConfig, TrainConfig
from mtopt_learning.train.goal_batches import GoalBatches
from mtopt_learning.train.goal_objective import goal_losses, goal_map_loss, goal_target
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.run_folder import CHECKPOINT, load_run, save_run
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, PolicyRequest
from mtopt_spec.observation import GRIPPER_CLOSED, Observation

GOALS = dataclasses.replace(SMALL, goal_join="input")
ONLY_GOALS = TrainConfig(batch=0, goals=GoalConfig(batch=64), bf16=False)


def sampler(toy, **config):
    config = HindsightConfig(**{"deciding_share": 0.0, "whole_share": 0.0, **config})
    return HindsightSampler(toy, GripperChanges.of(toy), config)


def changes_at(next_row, data):
    """As if the gripper changed next where these rows say."""
    return GripperChanges.at(next_row, data.episode_start)


def near_misses(toy):
    draws = sampler(toy)
    return NearMisses(toy, draws.episodes, draws.neighbours)


def test_maps_of_goals_are_told_by_first_pictures_and_later_ones_are_to_tell_the_same(toy):
    config = dataclasses.replace(ONLY_GOALS, device="cpu", first_pictures=20)
    device, goal, random = torch.device("cpu"), len(TASKS), torch.Generator().manual_seed(0)
    batches = GoalBatches(
        toy, PictureStore(toy.images, CAMERAS, device), config, device, "shoulder"
    )  # fmt: skip
    batch = batches.take(0)
    batches.close()
    count = len(batch.first)
    assert count == 20 and 0 < batch.closes[:20].sum() < 20 and 0 < batch.untouched[:20].sum() < 20
    later, first = (
        AffordanceScores(
            torch.randn(n, goal + 2, 6, generator=random),
            torch.randn(n, 6, 2, generator=random) / 10, torch.randn(n, 6, 2, generator=random),
        )
        for n in (len(batch.state), count)
    )  # fmt: skip
    which, known = torch.full((len(batch.state), 1), goal), (~batch.chained).float()
    closes = (batch.closes * known)[:20, None]
    told = affordance_loss(
        first, which[:20], batch.closed_m[:20], batch.closed_azimuth[:20], batch.closes[:20], closes
    )
    carried = carried_loss(later.first(20), first, which[:20], batch.untouched[:20])
    shown = place_loss(later, which + 1, batch.goal_m, torch.ones(len(which), 1))
    every = torch.ones(len(which), dtype=torch.bool)
    loss = goal_map_loss(later, first, batch, goal, batch.goal_m, every, known)
    torch.testing.assert_close(loss, told + carried + shown)
    some = torch.arange(len(which)) % 2 == 0
    shown = place_loss(later, which + 1, batch.goal_m, some[:, None].float())
    loss = goal_map_loss(later, first, batch, goal, batch.goal_m, some, known)
    torch.testing.assert_close(loss, told + carried + shown)
    blind = (
        AffordanceScores(s.score[:, : goal + 1], s.place_m, s.axis) for s in (later, first)
    )  # fmt: skip
    torch.testing.assert_close(
        goal_map_loss(*blind, batch, goal, batch.goal_m, every, known), told + carried
    )


def test_every_sub_sequence_of_every_episode_is_drawn_and_none_reaches_over_its_ends(toy):
    draw = sampler(toy, chained_share=0.0, end_share=0.0).draw(400_000, np.random.default_rng(0))
    episode = toy.obs_episode[draw.row]
    assert (episode == toy.obs_episode[draw.goal_row]).all() and not draw.chained.any()
    assert (draw.row < draw.goal_row).all() and not toy.is_last[draw.row].any()
    np.testing.assert_array_equal(draw.steps_to_go, draw.goal_row - draw.row)
    np.testing.assert_array_equal(draw.reaches, draw.steps_to_go == 1)
    first = draw.row - toy.episode_start[episode]
    last = draw.goal_row - toy.episode_start[episode]
    three = toy.episode_steps[episode] == 3
    _, counts = np.unique(4 * first[three] + last[three], return_counts=True)
    assert len(counts) == 6 and counts.min() > 0.9 * counts.mean(), "all pairs of 0..3, alike"
    one = toy.episode_steps[episode] == 1
    assert one.any() and (first[one] == 0).all() and (last[one] == 1).all()


def test_the_last_picture_counts_more_often_where_it_is_asked_for(toy):
    draw = sampler(toy, chained_share=0.0, end_share=1.0).draw(1000, np.random.default_rng(0))
    assert toy.is_last[draw.goal_row].all()


def test_steps_that_decide_count_more_often_where_it_is_asked_for(toy):
    draw = sampler(toy, chained_share=0.0, deciding_share=1.0).draw(5000, np.random.default_rng(0))
    episode = toy.obs_episode[draw.row]
    start = toy.episode_start[episode]
    moves = toy.episode_steps[episode]
    acting = next_gripper_row(toy)
    changes = acting[start] >= 0
    assert 0.3 < changes.mean() < 1 and (acting[draw.row] == draw.row)[changes].all()
    assert set((draw.row - start)[changes]) == {2}
    assert (draw.goal_row > draw.row).all() and (draw.goal_row <= start + moves).all()


def test_a_later_change_of_the_gripper_decides_as_well_and_ends_the_whole_way(toy):
    row = toy.episode_start[5]
    five = dataclasses.replace(toy, episode_steps=np.where(np.arange(2000) == 5, 5, 0))
    acting = np.full(len(toy.state), -1)
    acting[row : row + 2], acting[row + 2 : row + 5] = row + 1, row + 4
    five.episode_steps[6] = 1  # two episodes at least
    draws = {
        name: HindsightSampler(
            five, changes_at(acting, five),
            HindsightConfig(chained_share=0.0, end_share=0.0, **shares),
        ).draw(400, np.random.default_rng(0)).row - row
        for name, shares in (
            ("deciding", {"deciding_share": 1.0, "whole_share": 0.0}),
            ("whole", {"deciding_share": 0.0, "whole_share": 1.0}),
        )
    }  # fmt: skip
    of = {name: set(drawn[drawn < 5]) for name, drawn in draws.items()}
    assert of == {"deciding": {1, 4}, "whole": {0, 1, 2, 3, 4}}


def test_the_last_closing_before_the_goal_is_where_the_gripper_took_what_it_shows(toy):
    """Closes in vain (1), opens (2), closes (4), opens (6), of nine states."""
    row = toy.episode_start[5]
    data = dataclasses.replace(
        toy, episode_steps=np.where(np.isin(np.arange(2000), (5, 50)), 8, 0),
        state=toy.state.copy(),
    )  # fmt: skip
    data.state[row : row + 9, 0] = [0, 0, 1, 0, 0, 1, 1, 0, 0]
    acting = np.full(len(toy.state), -1)
    acting[row : row + 7] = row + np.array([1, 1, 2, 4, 4, 6, 6])
    for share in (0.0, 1.0):  # whatever the goal: it is the step's own way
        hindsight = HindsightSampler(
            data, changes_at(acting, data), HindsightConfig(chained_share=share)
        )
        draw = hindsight.draw(4000, np.random.default_rng(0))
        own = draw.row < row + 9
        assert (draw.goal_row == draw.end_row).all() == (share == 0)
        first, end = draw.row[own] - row, draw.end_row[own] - row
        closing = np.where(draw.closing_row >= 0, draw.closing_row - row, -1)[own]
        assert (draw.first_row[own] == row).all()
        assert set(zip(first, end, closing, draw.direct[own], draw.untouched[own])) == {
            (
                a, b, max((c for c in (1, 4) if c < b), default=-1), not (a <= 1 and b > 4), a <= 1,
            )
            for a in range(8) for b in range(a + 1, 9)
        }  # fmt: skip


def test_whole_ways_lead_from_before_the_gripper_changes_to_the_end(toy):
    settings = {"chained_share": 0.0, "end_share": 0.0, "whole_share": 1.0}
    draw = sampler(toy, **settings).draw(5000, np.random.default_rng(0))
    start = toy.episode_start[toy.obs_episode[draw.row]]
    acting = next_gripper_row(toy)[start]
    acts = acting >= 0
    assert 0.3 < acts.mean() < 1 and toy.is_last[draw.goal_row[acts]].all()
    assert (draw.row <= acting)[acts].all() and len(np.unique((draw.row - start)[acts])) == 3
    assert not toy.is_last[draw.goal_row[~acts]].all(), "the others are drawn as ever"


def test_chained_goals_are_of_another_episode_and_by_choice_of_the_next_ones(toy):
    draw = sampler(toy, chained_share=1.0).draw(20_000, np.random.default_rng(0))
    episode, other = toy.obs_episode[draw.row], toy.obs_episode[draw.goal_row]
    assert draw.chained.all() and (episode != other).all() and not draw.reaches.any()
    assert (draw.steps_to_go == 0).all() and draw.ends.any()
    assert (toy.obs_episode[draw.end_row] == episode).all() and (draw.end_row > draw.row).all()
    near = sampler(toy, chained_share=1.0, neighbour_share=1.0)
    draw = near.draw(20_000, np.random.default_rng(1))
    episode, other = toy.obs_episode[draw.row], toy.obs_episode[draw.goal_row]
    inside = episode % 100 < 90  # bags of 100: none reaches over their seams
    inside &= episode % 100 >= 10
    ahead = other[inside] - episode[inside]
    assert set(np.sign(ahead)) == {-1, 1}
    assert abs(ahead).min() == 1 and abs(ahead).max() <= 8, "some episodes between never move"
    assert (episode // 100 == other // 100)[inside].all()


def test_neighbours_are_of_the_same_bag():
    found = neighbouring_episodes(np.array(["a", "b", "a", "a", "c"]))
    none = [-1] * 5
    assert found.tolist() == [
        [2, 3, -1, -1, -1, *none], [-1] * 10, [3, -1, -1, -1, -1, 0, -1, -1, -1, -1],
        [*none, 2, 0, -1, -1, -1], [-1] * 10,
    ]  # fmt: skip


def test_what_counts_as_there_is_near_its_goal_with_the_gripper_as_it_was(toy):
    acting = next_gripper_row(toy)
    row, goal_row = sampler(toy).draw_there(50_000, np.random.default_rng(0))
    assert (toy.obs_episode[row] == toy.obs_episode[goal_row]).all()
    apart = row - goal_row
    assert set(apart) == set(range(-4, 5))
    low, high = np.minimum(row, goal_row), np.maximum(row, goal_row)
    assert ((acting[low] < 0) | (acting[low] >= high)).all()
    closes = np.flatnonzero((toy.action[:, 5] > 0.5) & ~toy.is_last)
    over = np.isin(goal_row, closes + 1)  # the picture after a closing: no state before it
    assert over.any() and (apart[over] >= 0).all()


def test_the_last_steps_of_a_lift_are_not_there_yet(toy):
    """An arm rises by 5.5 cm a step: a step before its goal it is neither, two before, away."""
    state, step = toy.state.copy(), np.arange(len(toy.state)) - toy.episode_start[toy.obs_episode]
    state[:, 0], state[:, 2:4], state[:, 4] = 1.0, 0.0, 0.055 * step
    data = dataclasses.replace(toy, state=state)
    draws = sampler(data, chained_share=0.0)
    row, goal_row = draws.draw_there(5000, np.random.default_rng(0))
    assert (row == goal_row).all()
    draw = draws.draw(5000, np.random.default_rng(0))
    acting = next_gripper_row(data)[draw.row]
    changes = (acting >= 0) & (acting < draw.goal_row)
    np.testing.assert_array_equal(draw.away, changes | (draw.goal_row - draw.row > 1))
    assert 0.05 < draw.away.mean() < 0.95
    state[:, 0] = 0.0  # what an open gripper leaves where it is is there a step before and behind
    row, goal_row = draws.draw_there(5000, np.random.default_rng(0))
    assert set(row - goal_row) == {-1, 0, 1}
    draw = draws.draw(5000, np.random.default_rng(0))
    changes = (acting >= 0) & (acting < draw.goal_row)
    np.testing.assert_array_equal(draw.away, changes | (draw.goal_row - draw.row > 1))
    assert sampler(data, chained_share=1.0).draw(500, np.random.default_rng(0)).away.all()


def test_near_misses_have_the_arm_where_the_goal_shows_it(toy):
    goal_row = np.arange(0, 400, 7)
    missed = near_misses(toy).draw(goal_row, np.random.default_rng(0))
    assert toy.is_last[missed].all()
    assert (toy.obs_episode[missed] != toy.obs_episode[goal_row]).all()
    apart = np.linalg.norm(toy.state[missed, 2:5] - toy.state[goal_row, 2:5], axis=1)
    anywhere = np.linalg.norm(toy.state[missed[::-1], 2:5] - toy.state[goal_row, 2:5], axis=1)
    assert np.median(apart) < 0.03 < np.median(anywhere)


def test_near_misses_of_a_closed_gripper_hold_something_else_in_the_same_scene(toy):
    """One end in three holds a thing of 3 cm, one a thing of 5 cm, one nothing."""
    state, last = toy.state.copy(), toy.episode_start + toy.episode_steps
    opening = np.array([0.3, 0.5, 0.0])[np.arange(len(last)) % 3]
    state[last, 0], state[last, 1] = 1.0, opening
    data = dataclasses.replace(toy, state=state)
    goal_row = last[20:80][toy.episode_steps[20:80] > 0]
    missed = near_misses(data).draw(goal_row, np.random.default_rng(0))
    apart = np.linalg.norm(state[missed, 2:5] - state[goal_row, 2:5], axis=1)
    near = abs(toy.obs_episode[missed] - toy.obs_episode[goal_row]) <= 8
    assert near.mean() > 0.5 and (apart[near] < 0.15).all()
    assert (state[missed[near], 0] == 1).all() and toy.is_last[missed].all()
    assert (abs(state[missed, 1] - state[goal_row, 1])[near] > 0.06).all()
    for row, found in zip(goal_row[near], missed[near]):
        episode = toy.obs_episode[row]
        ends = last[[e for e in range(episode - 5, episode + 6) if toy.episode_steps[e] > 0]]
        other = ends[abs(state[ends, 1] - state[row, 1]) > 0.06]
        nearest = np.linalg.norm(state[other, 2:5] - state[row, 2:5], axis=1).min()
        assert np.linalg.norm(state[found, 2:5] - state[row, 2:5]) <= nearest + 1e-6


def test_void_and_left_out_episodes_are_not_drawn(toy):
    reason = toy.episode_reason.copy()
    reason[::2] = EndReason.FAULT
    left_out = np.arange(len(reason)) % 3 == 0
    data = dataclasses.replace(toy, episode_reason=reason)
    draw = HindsightSampler(data, GripperChanges.of(toy), left_out=left_out).draw(
        5000, np.random.default_rng(0)
    )
    for rows in (draw.row, draw.goal_row):
        episode = toy.obs_episode[rows]
        assert (episode % 2 == 1).all() and (episode % 3 != 0).all()
    with pytest.raises(InputError, match="two or more"):
        HindsightSampler(data, GripperChanges.of(toy), left_out=np.ones(len(reason), bool))


def test_q_learns_chained_goals_and_the_cloned_policy_its_own_ways_end(toy):
    config = dataclasses.replace(ONLY_GOALS, device="cpu")
    device = torch.device("cpu")
    batches = GoalBatches(
        toy, PictureStore(toy.images, CAMERAS, device), config, device, "shoulder"
    )
    draws, random = batches.sampler, np.random.default_rng(0)
    draw = draws.draw(64, random)
    there, goal = draws.draw_there(8, random)
    batch = batches.gather(draw, there, batches.near_misses.draw(goal, random), goal)
    batches.close()
    for camera in CAMERAS:
        shown = torch.from_numpy(toy.images[camera]).permute(0, 3, 1, 2)
        for pictures, of_steps in ((batch.goal, draw.goal_row), (batch.end, draw.end_row)):
            rows = np.concatenate([of_steps, goal, goal])
            assert torch.equal(pictures[camera], shown[rows])
    begun = torch.from_numpy(toy.images["shoulder"]).permute(0, 3, 1, 2)[draw.first_row]
    assert torch.equal(batch.first, begun)
    assert 0 < draw.chained.sum() < 64 and not torch.equal(batch.goal_m, batch.end_m)
    code, counts, missed = batch.to_clone()
    assert torch.equal(code[:64], batch.action) and (command_class(code[64:]) == STOP).all()
    assert torch.equal(counts[:64].bool(), torch.from_numpy(draw.direct))
    assert counts[64:].tolist() == [1.0] * 8 + [0.0] * 8
    assert missed.tolist() == [0.0] * 72 + [1.0] * 8


def test_where_the_gripper_changes_next(toy):
    found = next_gripper_row(toy)
    closing = toy.episode_start + 2  # the script closes in its third step
    for episode in range(20):
        start, steps = toy.episode_start[episode], toy.episode_steps[episode]
        closes = steps > 2 and toy.action[start + 2, 5] > 0.5
        for row in range(start, start + steps + 1):
            wanted = closing[episode] if closes and row <= start + 2 else -1
            if closes and row > start + 2:  # the toy's gripper never reports that it closed
                continue
            assert found[row] == wanted


def test_the_target_on_a_chain_by_hand():
    value = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5])
    reaches = torch.tensor([True, False, False, False, False])
    carries_on = torch.tensor([False, False, False, True, False])
    chained = torch.tensor([False, False, False, True, True])
    steps = torch.tensor([1, 2, 3, 0, 0])
    arguments = value, reaches, carries_on, chained, steps, 0.9
    # the goal; 0.9 * 0.5; the same; Q itself; 0.9 * 0.5
    np.testing.assert_allclose(goal_target(*arguments, False), [1, 0.45, 0.45, 0.5, 0.45])
    # 0.9 ** 1 and 0.9 ** 2 were reached
    np.testing.assert_allclose(goal_target(*arguments, True), [1, 0.9, 0.81, 0.5, 0.45])


def test_a_lower_temperature_draws_the_better_action_more_often():
    logits = torch.tensor([[[4.0, -4.0]]], requires_grad=True)
    # Q .982 and .018; e^(Q/.2) shares: e^4.91 / (e^4.91 + e^.09) = .992
    conservative_loss(logits, torch.tensor([0.98]), temperature=0.2).backward()
    assert logits.grad[0, 0, 0] > 0.9
    logits.grad = None
    conservative_loss(logits, torch.tensor([0.995]), temperature=0.2).backward()
    assert logits.grad[0, 0, 0] == 0 and logits.grad[0, 0, 1] > 0


@pytest.mark.parametrize("join", ["input", "late"])
def test_a_goal_joins_and_a_task_sees_none(join):
    torch.manual_seed(0)
    network = QNetwork(dataclasses.replace(GOALS, goal_join=join)).eval()
    images = {c: torch.randint(0, 256, (3, 3, *px), dtype=torch.uint8) for c, px in CAMERAS.items()}
    state, action = torch.zeros(3, 7), torch.zeros(3, 5, 7)
    goal = network.prepare_goal({camera: image.flip(0) for camera, image in images.items()})
    shapes = {c: (3, 3, *px) if join == "input" else (3, 64) for c, px in CAMERAS.items()}
    assert {camera: tuple(x.shape) for camera, x in goal.items()} == shapes
    with torch.no_grad():
        to_goal = torch.full((3,), network.goal_task)
        seen = network.q(network.embed(images, state, goal), to_goal, action)
        assert seen.shape == (3, 5)
        for camera in CAMERAS:
            changed = {**goal, camera: goal[camera].flip(0)}
            other = network.q(network.embed(images, state, changed), to_goal, action)
            assert not torch.allclose(seen[0], other[0]), camera
        nothing = {camera: torch.zeros_like(x) for camera, x in goal.items()}
        blank = network.embed(images, state, nothing)
        torch.testing.assert_close(network.embed(images, state), blank)
        assert network.q(blank, torch.zeros(3, dtype=torch.int64), action).shape == (3, 5)


def test_a_network_without_goals_is_refused():
    with pytest.raises(InputError, match="without a goal input"):
        Trainer(TASKS, CAMERAS, ONLY_GOALS, SMALL)
    with pytest.raises(InputError, match=r"batch, goals.batch"):
        TrainConfig(batch=0)


def reach_shown_patches(choose, worlds=100):
    """Share of worlds in which the dot gets onto the patch that a goal picture shows.

    `choose` gives action codes of pictures, proprioception and goal pictures.
    """
    random = np.random.default_rng(99)
    scenes = [ReachWorld(random) for _ in range(worlds)]
    wanted, goals = np.arange(worlds) % 2, []
    for scene, which in zip(scenes, wanted, strict=True):
        before, scene.at = scene.at, scene.patches[which]
        goals.append(scene.pictures())
        scene.at = before
    goals = {
        camera: torch.from_numpy(np.stack([goal[camera] for goal in goals])).permute(0, 3, 1, 2)
        for camera in CAMERAS
    }
    stopped = np.zeros(worlds, bool)
    for _ in range(8):
        seen = [scene.pictures() for scene in scenes]
        images = {
            camera: torch.from_numpy(np.stack([s[camera] for s in seen])).permute(0, 3, 1, 2)
            for camera in CAMERAS
        }
        state = torch.from_numpy(np.stack([s.state() for s in scenes]))
        with torch.no_grad():
            code = choose(images, state, goals)
        stopped |= code[:, 6].numpy() > 0.5
        for scene, vector, still in zip(scenes, decode(code).numpy(), stopped, strict=True):
            if not still:
                scene.move(vector)
    return np.mean([s.reached()[which] for s, which in zip(scenes, wanted, strict=True)])


def greedy(network):
    """The action that CEM finds for the goal."""
    cem, noise = CemConfig(), torch.Generator().manual_seed(0)

    def choose(images, state, goals):
        embedding = network.embed(images, state, network.prepare_goal(goals))
        task = torch.full((len(state),), network.goal_task)
        return maximise(
            lambda action: network.q(embedding, task, action),
            len(state), cem, *draw_noise(len(state), cem, noise),
        )[0]  # fmt: skip

    return choose


def test_learns_from_unlabelled_episodes_to_reach_what_a_picture_shows(toy):
    unlabelled = dataclasses.replace(toy, stored={})
    config = dataclasses.replace(ONLY_GOALS, goals=GoalConfig(batch=128))
    trainer = Trainer(TASKS, CAMERAS, config, GOALS)
    trainer.set_data(unlabelled)
    before = reach_shown_patches(greedy(trainer.average))
    record = trainer.train(steps=1500)
    trainer.close()
    after = reach_shown_patches(greedy(trainer.average))
    assert record["q_hindsight"] > record["q_chained"] + 0.3
    assert after > 0.4 > before + 0.3, (before, after)


@pytest.mark.parametrize("map_camera", ["", "shoulder"])
@pytest.mark.parametrize("moving", [("wrist",), ("shoulder", "elbow"), ()])
def test_goals_of_cameras_that_move_are_seen_from_elsewhere_with_a_map_and_without(
    toy, monkeypatch, map_camera, moving
):
    network = dataclasses.replace(GOALS, map_camera=map_camera, moving_cameras=moving)
    config = dataclasses.replace(ONLY_GOALS, goals=GoalConfig(batch=8, behaviour_weight=0.0))
    config = dataclasses.replace(config, distortion=DistortionConfig(gain=0.0))
    trainer, shown = Trainer(TASKS, CAMERAS, config, network), []
    prepare = trainer.online.prepare_goal
    monkeypatch.setattr(trainer.online, "prepare_goal", lambda x: shown.append(x) or prepare(x))
    trainer.set_data(toy)
    batch = trainer.goal_batches.take(0)
    trainer.gradient_step()
    trainer.close()
    changed = {c for c in CAMERAS if not torch.equal(shown[-1][c], to_unit(batch.goal[c]))}
    assert changed == set(moving) & set(CAMERAS)


@pytest.mark.parametrize("blank_share", [0.0, 1.0])
def test_of_blank_goals_nothing_is_seen(toy, blank_share):
    network = dataclasses.replace(GOALS, map_camera="shoulder", goal_map=True, behaviour=True)
    goals = GoalConfig(batch=8, reached_states=0, blank_share=blank_share)
    config = dataclasses.replace(ONLY_GOALS, goals=goals, device="cpu")
    trainer = Trainer(TASKS, CAMERAS, config, network)
    trainer.set_data(toy)
    batch = trainer.goal_batches.take(0)
    trainer.close()
    light = draw_light(8, config.distortion, torch.Generator().manual_seed(0))
    found = []
    for pictures in ((batch.goal, batch.end), (batch.end, batch.goal)):
        other = {name: torch.flip(x, [0]) for name, x in pictures[0].items()}
        asked = dataclasses.replace(batch, goal=other, end=pictures[1])
        noise = torch.Generator().manual_seed(0)
        loss, report = goal_losses(trainer.online, asked, torch.ones(8), light, config, noise)
        found.append([loss.item(), report["behaviour_loss"].item()])
    assert (found[0] == found[1]) is bool(blank_share)


def test_figures_that_a_batch_does_not_have_are_left_out(toy):
    pairs = HindsightConfig(chained_share=0.0)
    config = dataclasses.replace(ONLY_GOALS, goals=GoalConfig(batch=8, pairs=pairs))
    trainer = Trainer(TASKS, CAMERAS, config, GOALS)
    trainer.set_data(toy)
    record = trainer.train(steps=2)
    trainer.close()
    assert "q_hindsight" in record and "q_chained" not in record
    assert np.isfinite(list(record.values())).all()
    mixed = trainer._record([{"loss": 1.0}, {"loss": 3.0, "q_chained": 0.5}], 1.0)
    assert (mixed["loss"], mixed["q_chained"]) == (2.0, 0.5)


def test_a_clone_learns_the_ways_to_later_pictures(toy):
    config = CloneConfig(steps=1200, batch=128, learning_rate=2e-3, goals=True, bf16=False)
    trainer = CloneTrainer(dataclasses.replace(toy, stored={}), TASKS, config)
    assert not trainer.counts and trainer.network.config.goal_cameras == tuple(CAMERAS)
    trainer.train()
    network = trainer.network

    def choose(images, state, goals):
        condition = torch.zeros(len(state), network.config.conditions)
        condition[:, network.config.tasks] = 1
        return network.act(images, state, condition, network.trunk.prepare_goal(goals))

    right = reach_shown_patches(choose)

    def turned(images, state, goals):
        return choose(images, state, {camera: x.flip(0) for camera, x in goals.items()})

    wrong = reach_shown_patches(turned)
    assert right > wrong + 0.2


def test_a_clone_as_published_imitates_every_sub_sequence_alike(toy):
    """Every episode closes and opens before it closes as the script does."""
    device, start = torch.device("cpu"), toy.episode_start[toy.episode_steps > 3]
    twice = dataclasses.replace(toy, state=toy.state.copy(), action=toy.action.copy())
    twice.state[:, GRIPPER_CLOSED] = 0
    twice.state[start + 1, GRIPPER_CLOSED] = 1
    twice.action[start, 5] = twice.action[start + 1, 6] = 1
    store = PictureStore(toy.images, CAMERAS, device)
    of = {}
    for every_way in (False, True):
        examples = GoalExamples(twice, store, len(TASKS), 2000, 0, device, "", every_way)
        of[every_way] = examples.take(0)
        examples.close()
    cloned = {every: batch.counts[:2000] for every, batch in of.items()}
    assert cloned[True].all() and 0.5 < cloned[False].mean() < 1
    steps = {every: batch.to_goals.steps_to_go.float().mean() for every, batch in of.items()}
    usable = twice.episode_steps[twice.episode_reason != EndReason.FAULT]
    alike = np.mean((usable[usable > 0] + 2) / 3)  # so far two of n + 1 states are apart
    assert steps[True] == pytest.approx(alike, rel=0.05) and steps[False] > 1.2 * alike


@pytest.mark.parametrize("batch", [0, 32])
def test_resumes_exactly_with_goals_alone_and_beside_tasks(toy, tmp_path, batch):
    config = dataclasses.replace(ONLY_GOALS, batch=batch)
    straight = Trainer(TASKS, CAMERAS, config, GOALS)
    straight.set_data(toy)
    straight.train(steps=6)
    first = Trainer(TASKS, CAMERAS, config, GOALS)
    first.set_data(toy)
    first.train(steps=3)
    save_run(tmp_path, first)
    second = load_run(tmp_path, TASKS)
    second.set_data(toy)
    second.train(steps=3)
    for one, other in zip(straight.online.parameters(), second.online.parameters(), strict=True):
        assert torch.equal(one, other)
    for trainer in (straight, first, second):
        trainer.close()


@pytest.mark.parametrize("batch", [0, 32])
def test_a_resumed_run_refuses_pictures_of_another_size(toy, tmp_path, batch):
    trainer = Trainer(TASKS, CAMERAS, dataclasses.replace(ONLY_GOALS, batch=batch), GOALS)
    large = {**toy.images, "shoulder": np.repeat(toy.images["shoulder"], 2, axis=1)}
    cameras = {**CAMERAS, "shoulder": (32, 16)}
    save_run(tmp_path, trainer)
    with pytest.raises(InputError, match="pictures of shoulder.*data set"):
        load_run(tmp_path, TASKS).set_data(dataclasses.replace(toy, images=large, cameras=cameras))


def test_the_policy_serves_goals_and_refuses_what_the_checkpoint_cannot_do(toy, tmp_path):
    trainer = Trainer(TASKS, CAMERAS, ONLY_GOALS, GOALS)
    trainer.set_data(toy)
    trainer.train(steps=2)
    save_run(tmp_path, trainer)
    trainer.close()
    assert load_q_function(tmp_path / CHECKPOINT).tasks == ()
    policy = QFunctionPolicy(tasks=TASKS.names)
    policy.load(tmp_path / CHECKPOINT)
    rows = np.random.default_rng(0).integers(0, len(toy.state), 3)
    jpeg = {c: [encode_jpeg(toy.images[c][row]) for row in rows] for c in CAMERAS}

    def request(i, goal, task=REACH_GOAL):
        seen = Observation(0.0, {c: jpeg[c][i] for c in CAMERAS}, False, 0.1, (0, 0, 0.1, 0))
        return PolicyRequest(f"robot_{i}", "e", 0, i, task, "qfunction", seen, goal)

    goals = [Goal({camera: jpeg[camera][i] for camera in CAMERAS}) for i in range(3)]
    together = policy.choose([request(i, goals[i]) for i in range(3)])
    assert [answer.error for answer in together] == [0, 0, 0]
    alone = [policy.choose([request(i, goals[i])])[0] for i in range(3)]
    assert [a.action for a in alone] == [a.action for a in together]
    large = Goal({**goals[0].images_jpeg, "wrist": encode_jpeg(np.zeros((32, 32, 3), np.uint8))})
    half = Goal({"shoulder": jpeg["shoulder"][0]})
    bad = policy.choose([request(0, None, "lift-red"), request(1, half), request(2, large)])
    assert [answer.error for answer in bad] == [
        ERROR_UNKNOWN_TASK, ERROR_UNKNOWN_TASK, ERROR_BAD_IMAGE,
    ]  # fmt: skip
    assert "['shoulder', 'wrist']" in bad[1].error_msg and "32x32" in bad[2].error_msg


def test_moves_to_goals_are_proposed_as_near_the_cloned_one_as_goals_ask_for(toy):
    network = type(GOALS)(**{**vars(GOALS), "behaviour": True})
    trainer = Trainer(TASKS, CAMERAS, ONLY_GOALS, network)
    trainer.close()
    served = QFunction(trainer.average, TASKS.names, dict(CAMERAS), "")
    jpeg = {camera: encode_jpeg(toy.images[camera][0]) for camera in CAMERAS}
    seen = Observation(0.0, jpeg, False, 0.1, (0, 0, 0.1, 0))
    asked = PolicyRequest("robot_1", "e", 0, 0, REACH_GOAL, "qfunction", seen, Goal(jpeg))
    chosen = [
        QFunctionPolicy(served, config=ActConfig(proposals=ProposalConfig(std=a, goal_std=b)))
        .choose([asked])[0].action
        for a, b in ((0.5, 0.0), (0.0, 0.0), (0.0, 0.5))
    ]  # fmt: skip
    assert chosen[0] == chosen[1] != chosen[2]
