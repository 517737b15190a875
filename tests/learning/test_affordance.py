"""The affordance map: its equations by hand, its self-calibration, and that training teaches it."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from reach_world import TASKS, ToyDataset

from mtopt_learning.qlearn.affordance import (
    OFFSET_M,
    SPREAD_M,
    AffordanceMap,
    AffordanceScores,
    quadratic,
)
from mtopt_learning.qlearn.affordance_losses import (
    affordance_loss,
    axis_loss,
    carried_loss,
    place_loss,
)
from mtopt_learning.qlearn.trunk import Trunk, default_trunk
from mtopt_learning.train import self_calibration
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.run_folder import load_run, save_run
from mtopt_learning.train.self_calibration import place_of_pixels
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason

SIDE, HALF_M = 64, 0.25
COLOURS = np.array([[220, 30, 30], [30, 60, 220]])
STEPS = 5


def picture(patches, tool, colours=COLOURS):
    """A floor with two patches under an arm that comes from above.

    As in the cell, the camera looks at the robot: x grows to the left, y downwards.
    """
    grid = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * HALF_M
    x, y = np.meshgrid(-grid, grid)
    image = np.full((SIDE, SIDE, 3), 120, np.uint8)
    for place, colour in zip(patches, colours, strict=True):
        image[np.hypot(x - place[0], y - place[1]) < 0.03] = colour
    image[(abs(x - tool[0]) < 0.015) & (y < tool[1])] = 10
    return image


def walks(scenes, seed=0, moving_camera=False, colours=COLOURS):
    """Episodes in which the tool goes to one of the patches, red or blue, and closes there."""
    random = np.random.default_rng(seed)
    images, state, action, task = [], [], [], []
    for _ in range(scenes):
        patches = random.uniform(-0.18, 0.18, (2, 2))
        wanted = int(random.integers(2))
        tool, goal = random.uniform(-0.1, 0.1, 2), patches[wanted] + random.normal(0, 0.005, 2)
        for step in range(STEPS + 1):
            shown = random.uniform(-0.2, 0.2, (2, 2)) if moving_camera else patches
            seen_at = random.uniform(-0.2, 0.2, 2) if moving_camera else tool
            images.append(picture(shown, seen_at, colours))
            state.append([0, 1, *tool, 0.1, 0, 1])
            vector = np.zeros(8, np.float32)
            vector[4], vector[5], vector[7] = 1, step == STEPS - 2, step == STEPS - 1
            action.append(vector)
            tool = tool + (goal - tool) / max(STEPS - 2 - step, 1)
        task.append(wanted)
    success = np.full((scenes, 3), 0.0, np.float32)
    success[np.arange(scenes), task] = 1
    return ToyDataset(
        TASKS.names, {"shoulder": (SIDE, SIDE)}, {"shoulder": np.stack(images)},
        np.array(state, np.float32), np.array(action, np.float32),
        np.arange(scenes) * (STEPS + 1), np.full(scenes, STEPS, np.int32), np.array(task, np.int32),
        np.full(scenes, EndReason.TERMINATE, np.int8), stored={"simulator": success},
    )  # fmt: skip


def test_loss_is_that_of_a_mixture_of_gaussians():
    random = np.random.default_rng(0)
    score, place = random.normal(size=(2, 3, 4)), random.normal(scale=0.1, size=(4, 2))
    acted, task = random.normal(scale=0.1, size=(2, 2)), np.array([[2, 0], [1, 1]])
    weight = np.array([[1.0, 0.5], [0.0, 2.0]])
    total = 0.0
    for i in range(2):
        for j in range(2):
            chance = np.exp(score[i, task[i, j]])
            density = np.exp(-0.5 * ((place - acted[i]) ** 2).sum(1) / SPREAD_M**2)
            total -= weight[i, j] * np.log((chance / chance.sum() * density).sum())
    loss = place_loss(
        AffordanceScores(torch.from_numpy(score), torch.from_numpy(place)),
        torch.from_numpy(task), torch.from_numpy(acted), torch.from_numpy(weight),
    )  # fmt: skip
    assert loss.item() == pytest.approx(total / weight.sum(), rel=1e-6)


def test_of_tasks_the_axis_is_taught_where_one_closes():
    random = torch.Generator().manual_seed(0)
    score, place = torch.randn(4, 3, 6, generator=random), torch.randn(6, 2, generator=random) / 10
    axis, acted_m = torch.randn(4, 6, 2, generator=random), torch.zeros(4, 2)
    task, closes = torch.tensor([[0, 1]] * 4), torch.tensor([1.0, 1.0, 0.0, 1.0])
    weight = torch.tensor([[0.0, 0.0], [0.5, 2.0], [1.0, 1.0], [1.0, 0.0]])
    azimuth = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    places = place_loss(AffordanceScores(score, place), task, acted_m, weight)

    def of(axis):
        scores = AffordanceScores(score, place, axis)
        return affordance_loss(scores, task, acted_m, azimuth, closes, weight)

    torch.testing.assert_close(of(None), places)
    scores, across_x = AffordanceScores(score, place, axis), torch.tensor([[-1.0, 0.0]] * 4)
    counts = torch.tensor([0.0, 2.0, 0.0, 1.0])
    torch.testing.assert_close(of(axis), places + axis_loss(scores, acted_m, across_x, counts))


def test_later_pictures_tell_what_the_first_one_told():
    random = torch.Generator().manual_seed(0)
    first_score = torch.randn(3, 2, 4, generator=random, requires_grad=True)
    score = torch.randn(3, 2, 4, generator=random)
    axis, first_axis, place, first_place = torch.randn(4, 3, 4, 2, generator=random)
    task, weight = torch.tensor([[0, 1], [1, 1], [0, 0]]), torch.tensor([1.0, 2.0, 0.0])
    total = 0.0
    for i in range(3):
        wanted = first_score[i].softmax(-1)[task[i]]
        found = score[i].softmax(-1)[task[i]]
        divergence = (wanted * (wanted / found).log()).sum(-1).mean()
        error = ((axis[i] - first_axis[i]) ** 2).sum(-1)
        error = error + ((place[i] - first_place[i]) ** 2).sum(-1) / SPREAD_M**2
        total += weight[i] * (divergence + (wanted[0].detach() * error).sum())
    loss = carried_loss(
        AffordanceScores(score, place, axis),
        AffordanceScores(first_score, first_place, first_axis), task, weight,
    )  # fmt: skip
    torch.testing.assert_close(loss, total / 3)
    (by_hand,) = torch.autograd.grad(total / 3, first_score)
    torch.testing.assert_close(torch.autograd.grad(loss, first_score)[0], by_hand)


def test_the_axis_where_the_gripper_closes_by_hand():
    """Two cells 3 cm apart, the gripper closes in the first."""
    place = torch.tensor([[0.0, 0.0], [SPREAD_M, 0.0]])
    axis = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    near = 1 / (1 + np.exp(-0.5))
    scores = AffordanceScores(torch.log(torch.tensor([[[3.0, 1.0]]])), place, axis)
    closed_m, wanted = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    loss = axis_loss(scores, closed_m, wanted, torch.ones(1))
    assert loss.item() == pytest.approx((1 - near) * 5, rel=1e-5)
    assert axis_loss(scores, closed_m, wanted, torch.zeros(1)).item() == 0


def test_training_teaches_how_the_gripper_is_turned():
    """Bars that lie anyhow; the axis of the cells where they lie is theirs."""
    torch.manual_seed(0)
    trunk = Trunk(default_trunk(1, {"shoulder": (64, 64)}))
    task, every = torch.zeros(32, 1, dtype=torch.int64), torch.ones(32)
    random, optimiser = np.random.default_rng(0), torch.optim.Adam(trunk.parameters(), 2e-3)
    for _ in range(160):
        place, azimuth, images = bars(random, 32)
        scores = trunk.look(images)
        told = AffordanceScores(scores.score, cells(16).expand(32, -1, -1), scores.axis)
        sin_cos = torch.stack([azimuth.sin(), azimuth.cos()], -1)
        loss = affordance_loss(told, task, place, sin_cos, every, every[:, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    at = (cells(16) - place[:, None]).square().sum(-1).argmin(1)
    cos, sin = scores.axis[torch.arange(32), at].detach().T
    off = (torch.atan2(sin, cos) / 2 - azimuth + np.pi / 2) % np.pi - np.pi / 2
    assert off.abs().median() < 0.25, "0.79 by chance"


def bars(random, count):
    """(n, 2) m, (n,) rad and (n, 3, 64, 64) pictures of bars, 14 cm by 3."""
    place = random.uniform(-0.16, 0.16, (count, 2))
    azimuth = random.uniform(0, np.pi, count)
    grid = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * HALF_M
    x, y = np.meshgrid(grid, grid)
    images = np.full((count, 3, SIDE, SIDE), 120, np.uint8)
    for image, (px, py), angle in zip(images, place, azimuth, strict=True):
        along = (x - px) * np.cos(angle) + (y - py) * np.sin(angle)
        across = (y - py) * np.cos(angle) - (x - px) * np.sin(angle)
        image[:, (abs(along) < 0.07) & (abs(across) < 0.015)] = 230
    return tuple(torch.from_numpy(a).float() for a in (place, azimuth)) + (
        torch.from_numpy(images),
    )


def cells(side):
    """(cells, 2) m of the middles of a map's cells, row by row."""
    middles = (torch.arange(side) + 0.5) / side * 2 * HALF_M - HALF_M
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], -1)


def test_what_the_map_of_the_goals_picture_says_is_for_goals_alone():
    trunk = Trunk(default_trunk(2, {"shoulder": (64, 64)}, goal_join="input"))
    images = {"shoulder": torch.rand(3, 3, 64, 64)}
    state = torch.tensor([[0.0, 1.0, 0.0, 0.0, 0.1, 0.0, 1.0]]).expand(3, 7)
    embedding = trunk.embed_and_map(images, state, trunk.prepare_goal(images))[0]
    task = torch.tensor([0, 1, 2])
    before = trunk.of_task(embedding, task).detach()
    with torch.no_grad():
        trunk.from_goal_map.weight.add_(1.0)
        changed = (trunk.of_task(embedding, task) != before).any(1)
    assert changed.tolist() == [False, False, True]


@pytest.mark.parametrize("changed", ({"goal_join": "late"}, {"map_camera": ""}))
def test_a_map_of_the_goals_picture_needs_a_map_and_a_goal_at_the_input(changed):
    config = default_trunk(1, {"shoulder": (64, 64)}, goal_join="input")
    assert config.goal_map and not default_trunk(1, {"shoulder": (64, 64)}).goal_map
    with pytest.raises(InputError, match="goal_map"):
        replace(config, **changed, map_closeup=False)


def test_a_closeup_needs_a_map():
    config = default_trunk(1, {"shoulder": (64, 64)})
    assert config.map_closeup and not default_trunk(1, {"shoulder": (64, 64)}, False).map_closeup
    with pytest.raises(InputError, match="map_closeup"):
        replace(config, map_camera="")


def test_what_a_map_says_by_hand():
    """Two cells share a task's chance, 3 to 1; the tool is 5 cm from the lesser."""
    network = AffordanceMap([(2, 1, 3)], maps=1)
    place = torch.tensor([[0.3, 0.0], [0.0, 0.1], [9.0, 9.0]])
    score = torch.log(torch.tensor([[[3.0, 1.0, 1e-30]]]))
    tool, azimuth = torch.tensor([[0.0, 0.05]]), torch.tensor([[0.0, 1.0]])
    read = network.read(AffordanceScores(score, place), tool, azimuth)[0, 0]
    mean = torch.tensor([0.225, 0.025])
    near = torch.exp(torch.tensor([-0.5 * (0.09 + 0.0025), -0.5 * 0.0025]) / 0.01)
    near = near * torch.tensor([0.75, 0.25])
    close = (near[:, None] * place[:2]).sum(0) / near.sum()
    spread = (
        0.75 * (place[0] - mean).square().sum() + 0.25 * (place[1] - mean).square().sum()
    ) ** 0.5
    wanted = torch.cat([
        8 * (mean - torch.tensor([0.0, 0.05])), 8 * (close - torch.tensor([0.0, 0.05])),
        near.sum().log()[None] / 3, 8 * spread[None],
    ])  # fmt: skip
    torch.testing.assert_close(read.detach(), wanted, atol=2e-4, rtol=1e-3)


def test_a_closeup_tells_what_is_under_the_gripper_by_hand():
    """Two things 10 cm apart, one as likely as the other; the tool is turned by 0.2 rad."""
    network = AffordanceMap([(2, 1, 2)], maps=1, closeup=True)
    place = torch.tensor([[0.03, 0.0], [-0.07, 0.0]])
    axis = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    scores = AffordanceScores(torch.zeros(1, 1, 2), place, axis)
    for turned_by in (0.2, 0.2 + np.pi):  # half a turn is the same
        azimuth = torch.tensor([[np.sin(turned_by), np.cos(turned_by)]], dtype=torch.float32)
        read = network.read(scores, torch.zeros(1, 2), azimuth)[0, 0].detach()
        near = np.exp(-0.5 * np.array([3.0, 7.0]) ** 2 / 16)
        share = near / near.sum()
        turn = complex(share[1], share[0]) * np.exp(-0.4j)
        x_m = 0.03 * share[0] - 0.07 * share[1]
        expected = [24 * x_m, 0, np.log(near.sum() / 2) / 3, turn.real, turn.imag]
        np.testing.assert_allclose(read[6:], expected, rtol=1e-4, atol=1e-5)
    assert read[2] < 0 < read[6], "the mean near the tool is drawn to the other one"


def test_a_cell_tells_where_in_it():
    """What is read is as if the cells lay where their offsets say, a state each."""
    torch.manual_seed(0)
    network = AffordanceMap([(2, 2, 3)], maps=1, closeup=True)
    scores = network([torch.randn(2, 2, 2, 3)])
    middles = network.terms @ (5 * network.place_5m)
    offset = (scores.place_m - middles).detach()
    assert scores.place_m.shape == (2, 6, 2) and 0 < offset.abs().max() < OFFSET_M
    assert not torch.equal(offset[0], offset[1]) and torch.equal(
        scores.first(1).place_m[0], scores.place_m[0]
    )
    tool, azimuth = torch.tensor([[0.01, 0.02], [0.03, -0.01]]), torch.tensor([[0.0, 1.0]] * 2)
    read = network.read(scores, tool, azimuth)
    for i in range(2):
        alone = AffordanceScores(scores.score[i : i + 1], scores.place_m[i], scores.axis[i : i + 1])
        again = network.read(alone, tool[i : i + 1], azimuth[:1])
        torch.testing.assert_close(read[i : i + 1], again)
    to_place = scores.distance(torch.zeros(2, 2))
    torch.testing.assert_close(to_place, scores.place_m.square().sum(-1) / SPREAD_M**2)


def test_far_from_everything_the_closeup_looks_at_the_nearest():
    network = AffordanceMap([(2, 1, 2)], maps=1, closeup=True)
    place, axis = torch.tensor([[0.1, 0.0], [0.3, 0.0]]), torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    scores = AffordanceScores(torch.zeros(1, 1, 2), place, axis)
    read = network.read(scores, torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))[0, 0].detach()
    np.testing.assert_allclose(read[[6, 9, 10]], [2.4, 0.0, 1.0], atol=1e-3)


@pytest.mark.parametrize(("layers", "reaches"), ((1, False), (2, False), (3, True)))
def test_coarser_layers_show_a_cell_what_surrounds_it(layers, reaches):
    """A corner's score depends on the picture's middle, 32 px away, by three layers alone."""
    torch.manual_seed(0)
    config = replace(default_trunk(1, {"shoulder": (64, 64)}), map_layers=layers)
    network, picture = Trunk(config), torch.zeros(1, 3, 64, 64, requires_grad=True)
    scores = network.embed_and_map({"shoulder": picture}, torch.zeros(1, 7))[1]
    scores.score[0, 0, 0].backward()
    assert bool(picture.grad[..., 30:, 30:].abs().sum() > 0) == reaches
    assert picture.grad[..., :8, :8].abs().sum() > 0


@pytest.mark.parametrize(("first", "layers"), ((0, 0), (0, 5), (2, 3), (-1, 2)))
def test_a_map_of_layers_that_a_tower_has_not_is_refused(first, layers):
    with pytest.raises(InputError, match=rf"map_layers.*got \({first}, {layers}\).* 4 layers"):
        replace(default_trunk(1, {"shoulder": (64, 64)}), map_first=first, map_layers=layers)


def test_the_map_begins_behind_a_layer_that_is_twice_as_fine():
    trunk = Trunk(default_trunk(1, {"shoulder": (64, 64)}, goal_join="input"))
    images = {"shoulder": torch.zeros(1, 3, 64, 64)}
    layers = trunk.towers["shoulder"].with_layers(images["shoulder"], second=images["shoulder"])[1]
    assert [layer.shape[-1] for layer in layers] == [32, 16, 8, 4]
    assert [layer.shape[1:] for layer in layers[trunk.config.map_slice]] == [
        (64, 16, 16), (64, 8, 8), (64, 4, 4),
    ]  # fmt: skip
    scores = trunk.embed_and_map(images, torch.zeros(1, 7), trunk.prepare_goal(images))[1]
    assert scores.score.shape == (1, 3, 256) and scores.axis.shape == (1, 256, 2)


def test_what_moves_in_the_pictures_tells_the_directions():
    data = walks(300)
    store = PictureStore(data.images, data.cameras, torch.device("cpu"))
    linear, explained = place_of_pixels(data, store, "shoulder", np.random.default_rng(0))
    (_, _), (x_u, y_u), (x_v, y_v) = linear
    assert explained > 0.5
    assert -0.5 < x_u < -0.1 and 0.1 < y_v < 1.0  # -0.25 and 0.25 without the arm
    assert abs(y_u) < abs(x_u) / 2 and abs(x_v) < abs(y_v) / 2


@pytest.mark.parametrize("covered", [False, True])
def test_a_camera_that_moves_or_is_covered_is_told(caplog, covered):
    trainer = Trainer(TASKS, {"shoulder": (SIDE, SIDE)}, TrainConfig(device="cpu"))
    data = walks(60, moving_camera=not covered)
    if covered:
        data.images["shoulder"][:] = 0
    with caplog.at_level(logging.WARNING):
        trainer.set_data(data)
    trainer.close()
    assert "affordance map" in caplog.text and "affordance_weight 0" in caplog.text


def test_weight_0_makes_a_network_without_a_map():
    trainer = Trainer(TASKS, {"shoulder": (SIDE, SIDE)}, TrainConfig(affordance_weight=0.0))
    assert trainer.online.config.map_camera == ""
    assert trainer.online.embed_and_map(
        {"shoulder": torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)}, torch.zeros(1, 7)
    )[1] is None  # fmt: skip


def test_training_teaches_the_map_where_each_colour_is(tmp_path):
    """On new scenes the likeliest cell is on the patch that the task names."""
    config = TrainConfig(batch=64, device="cpu", bf16=False, holdout_every=0, learning_rate=2e-3)
    trainer = Trainer(TASKS, {"shoulder": (SIDE, SIDE)}, config)
    trainer.set_data(walks(300))
    before, _ = places_found(trainer)
    record = trainer.train(steps=160)
    trainer.close()
    found, patches = places_found(trainer)
    apart = np.hypot(*(found - patches).transpose(2, 0, 1))
    near = apart < 0.05
    assert np.median(apart) < 0.009, "a cell is 3 cm wide: its middle is 1.2 cm off"
    assert (
        near.mean() > 0.8 > 0.4 > (np.hypot(*(before - patches).transpose(2, 0, 1)) < 0.05).mean()
    )
    assert record["affordance_loss"] > 0
    save_run(tmp_path / "run", trainer)
    again = load_run(tmp_path / "run", TASKS)
    again.set_data(walks(20, seed=5))
    again.close()
    assert torch.equal(again.online.map.place_5m, trainer.online.map.place_5m), "calibrated once"


def test_the_map_does_not_follow_the_gripper():
    """Two patches that look alike: which one the arm goes to is nothing that the scene shows."""
    alike = COLOURS[:1].repeat(2, 0)
    config = TrainConfig(batch=64, device="cpu", bf16=False, holdout_every=0, learning_rate=2e-3)
    trainer = Trainer(TASKS, {"shoulder": (SIDE, SIDE)}, config)
    trainer.set_data(walks(600, colours=alike))
    trainer.train(steps=160)
    trainer.close()
    data = walks(100, seed=1, colours=alike)
    closing = data.episode_start + STEPS - 2
    pictures = torch.from_numpy(data.images["shoulder"][closing]).permute(0, 3, 1, 2)
    with torch.no_grad():
        scores = trainer.online.look(pictures)
    under_the_arm = torch.from_numpy(data.state[closing, 2:4])
    near = (scores.place_m - under_the_arm[:, None]).norm(dim=-1) < 0.08
    share = (scores.score[:, :2].softmax(-1).mean(1) * near).sum(-1)
    assert 0.3 < share.median() < 0.8, "0.5 if it tells the patches alike"


def places_found(trainer):
    """(scenes, 2 colours, 2) m of the likeliest cells, and of the patches."""
    random = np.random.default_rng(9)
    patches = random.uniform(-0.18, 0.18, (40, 2, 2))
    images = np.stack([picture(p, random.uniform(-0.1, 0.1, 2)) for p in patches])
    with torch.no_grad():
        _, scores = trainer.online.embed_and_map(
            {"shoulder": torch.from_numpy(images).permute(0, 3, 1, 2)}, torch.zeros(40, 7)
        )
    best = scores.score[:, :2].argmax(-1)
    return scores.place_m[torch.arange(40)[:, None], best].numpy(), patches


def test_places_are_found_in_portions_alike_and_with_little_memory(monkeypatch):
    """Pictures of 640x480: all pairs at once would take more than a robot's computer has."""
    data, taken = walks(20, seed=3), []
    store = PictureStore(data.images, {"shoulder": (SIDE, SIDE)}, torch.device("cpu"))
    whole = place_of_pixels(data, store, "shoulder", np.random.default_rng(0))
    monkeypatch.setattr(self_calibration, "_PORTION_PX", 50 * SIDE * SIDE)
    take = store.take_one
    monkeypatch.setattr(store, "take_one", lambda c, r: (taken.append(len(r)), take(c, r))[1])
    parts = place_of_pixels(data, store, "shoulder", np.random.default_rng(0))
    assert max(taken) <= 50 and sum(taken) == 2 * 2000
    assert parts[0] == pytest.approx(whole[0], abs=1e-6) and parts[1] == pytest.approx(whole[1])


def test_terms_of_the_quadratic():
    assert quadratic(torch.tensor([2.0]), torch.tensor([3.0])).tolist() == [[1, 2, 3, 6, 4, 9]]
