"""The learner as a whole, on the toy world."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from reach_world import CAMERAS, TASKS, ReachWorld, ToyDataset, collect

from mtopt_learning.checkpoint.folder import write_folder
from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_learning.qlearn.actions import decode
from mtopt_learning.qlearn.affordance import AffordanceScores
from mtopt_learning.qlearn.affordance_losses import carried_loss, place_loss
from mtopt_learning.qlearn.behaviour import ProposalConfig, best_proposal, clone_loss
from mtopt_learning.qlearn.cem import CemConfig, draw_noise, maximise
from mtopt_learning.qlearn.distortion import DistortionConfig
from mtopt_learning.qlearn.network import NetworkConfig
from mtopt_learning.qlearn.networks import network_config
from mtopt_learning.qlearn.published import PublishedConfig
from mtopt_learning.qlearn.tower import TowerConfig
from mtopt_learning.relabel.deciding_steps import GripperChanges, deciding_rows
from mtopt_learning.relabel.sampler import Draw, SamplerConfig
from mtopt_learning.train import run_folder
from mtopt_learning.train.batches import transitions
from mtopt_learning.train.config import GoalConfig, TrainConfig
from mtopt_learning.train.diagnostics import area_under_curve
from mtopt_learning.train.labelling import next_states, noise_of, targets
from mtopt_learning.train.objective import cloning_loss, map_loss
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.run_folder import (
    MetricsFile,
    can_resume,
    load_run,
    read_metrics,
    save_run,
)
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason

SMALL = NetworkConfig(
    len(TASKS),
    tuple(TowerConfig(c, 16, 16, (16, 32), (4, 3), (2, 2), 64) for c in CAMERAS),
    embedding=96,
    hidden=64,
)
QUICK = TrainConfig(
    tasks=("lift-red", "lift-blue"), batch=64, sampler=SamplerConfig(tasks_per_state=2), bf16=False
)


def act_in_fresh_worlds(network, worlds=100, proposed=False):
    """Share of worlds in which the network reaches the patch of the task's colour: by the action
    that CEM finds, or by the best of those that its clone proposes."""
    random, task, cem = np.random.default_rng(99), torch.arange(worlds) % 2, CemConfig()
    scenes = [ReachWorld(random) for _ in range(worlds)]
    noise, stopped = torch.Generator().manual_seed(0), np.zeros(worlds, bool)
    proposals = ProposalConfig()
    for _ in range(8):
        seen = [scene.pictures() for scene in scenes]
        images = {
            camera: torch.from_numpy(np.stack([s[camera] for s in seen])).permute(0, 3, 1, 2)
            for camera in CAMERAS
        }
        with torch.no_grad():
            state = torch.from_numpy(np.stack([s.state() for s in scenes]))
            embedding = network.embed(images, state)

            def score(action, embedding=embedding):
                return network.q(embedding, task, action)

            if proposed:
                output, _ = network.behaviour(images, state, task)
                normal = torch.randn(worlds, proposals.moves, 4, generator=noise)
                offsets = proposals.std * normal
                code, _ = best_proposal(score, output[:, None], proposals, offsets)
            else:
                code, _ = maximise(score, worlds, cem, *draw_noise(worlds, cem, noise))
        for i, vector in enumerate(decode(code).numpy()):
            stopped[i] |= vector[7] > 0.5
            if not stopped[i]:
                scenes[i].move(vector)
    return np.mean([s.reached()[int(t)] for s, t in zip(scenes, task, strict=True)])


def test_learns_to_reach_the_named_colour_from_pictures(toy):
    config = dataclasses.replace(QUICK, backup="sarsa", learning_rate=1e-3, polyak=0.02)
    trainer = Trainer(TASKS, CAMERAS, config, SMALL)
    trainer.set_data(toy)
    before = act_in_fresh_worlds(trainer.average)
    trainer.train(steps=400)
    assert before < 0.15
    assert act_in_fresh_worlds(trainer.average) > 0.4  # chance is 0.05, the script reaches 0.28


def test_q_among_what_a_clone_of_successes_proposes_reaches_the_named_colour(toy):
    config = dataclasses.replace(
        QUICK, backup="sarsa", learning_rate=1e-3, polyak=0.02, proposals=True
    )  # fmt: skip
    network = dataclasses.replace(SMALL, proposers=((0,), (1,), (2,)))
    trainer = Trainer(TASKS, CAMERAS, config, network)
    trainer.set_data(toy)
    before = act_in_fresh_worlds(trainer.average, proposed=True)
    trainer.train(steps=400)
    trainer.close()
    assert before < 0.15
    assert act_in_fresh_worlds(trainer.average, proposed=True) > 0.4


def test_a_task_is_learned_with_those_whose_clone_proposes_for_it():
    network = dataclasses.replace(SMALL, proposers=((0, 2), (1,), (2,)))
    alone = dataclasses.replace(QUICK, tasks=TASKS.names[:1])
    trainer = Trainer(TASKS, CAMERAS, alone, network)
    assert trainer.config.tasks == (TASKS.names[0], TASKS.names[2])
    trainer.set_config(dataclasses.replace(alone, tasks=TASKS.names[1:2]))
    assert trainer.config.tasks == TASKS.names[1:2]
    trainer.set_config(dataclasses.replace(alone, tasks=()))
    assert trainer.config.tasks == ()
    assert Trainer(TASKS, CAMERAS, alone, SMALL).config.tasks == TASKS.names[:1]


def test_only_steps_of_successes_are_cloned_each_for_the_task_that_it_was_drawn_for(toy):
    trainer = Trainer(
        TASKS, CAMERAS, QUICK, dataclasses.replace(SMALL, proposers=((0,), (1,), (2,)))
    )
    trainer.set_data(toy)
    _, batch = trainer.data.draw(0, QUICK)
    rows = np.concatenate([batch.row, batch.judged_row])
    pictures, state = trainer.store.take(rows), torch.from_numpy(toy.state[rows])
    trainer.close()
    policy, n = trainer.online.behaviour, len(batch.row)
    good = (batch.success[:, 0] >= 0.5) & (batch.weight[:, 0] > 0)
    assert 0 < good.sum() < n
    picked = {camera: image[:n][good] for camera, image in pictures.items()}
    output, _ = policy(picked, state[:n][good], batch.task[good, 0])
    wanted = clone_loss(output, batch.action[good], batch.weight[good, 0])
    loss = cloning_loss(policy, pictures, state, None, batch, 1.0)
    torch.testing.assert_close(loss, wanted)


def test_the_learning_rate_falls_by_half_a_cosine_and_a_resumed_run_goes_on_with_it(toy, tmp_path):
    config = dataclasses.replace(QUICK, batch=8, learning_rate=1e-3, decay_steps=4)
    trainer, rates = Trainer(TASKS, CAMERAS, config, SMALL), []
    for _ in range(6):
        trainer.set_data(toy)
        trainer.train(steps=1)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        save_run(tmp_path / "run", trainer)
        trainer.close()
        trainer = load_run(tmp_path / "run", TASKS)
    # 0.1 + 0.9 (1 + cos(pi k / 4)) / 2
    np.testing.assert_allclose(
        np.array(rates) / 1e-3, [1, 0.868198, 0.55, 0.231802, 0.1, 0.1], 1e-5
    )
    trainer.set_config(dataclasses.replace(config, decay_steps=0))
    trainer.set_data(toy)
    trainer.train(steps=1)
    assert trainer.optimizer.param_groups[0]["lr"] == 1e-3
    trainer.close()


@pytest.mark.parametrize("backup", ["sarsa", "cem_max"])
def test_every_backup_takes_steps_and_stays_finite(toy, backup):
    config = dataclasses.replace(
        QUICK, backup=backup, batch=16, lagged_copy_steps=2, cem=CemConfig(samples=8, elites=2)
    )
    trainer = Trainer(TASKS, CAMERAS, config, SMALL)
    trainer.set_data(toy)
    record = trainer.train(steps=5, log_every=5)
    assert np.isfinite([record["loss"], record["value"]]).all()
    assert 0 < record["value"] < 1


def test_targets_at_both_ends_of_an_episode(toy):
    """Terminated: the label. Cut off: γ times more than the label's nothing."""
    config = dataclasses.replace(QUICK, backup="sarsa", lower_bound=False)
    trainer = Trainer(TASKS, CAMERAS, config, SMALL)
    trainer.set_data(toy)
    draw = trainer.data.sampler.draw(2000, np.random.default_rng(0))
    draw = dataclasses.replace(draw, step=toy.episode_steps[draw.episode].astype(np.int64) - 1)
    batch = transitions(toy, draw, trainer.data.changes)
    cpu = torch.device("cpu")
    store = PictureStore(toy.images, CAMERAS, cpu)
    seen = next_states(toy, store, batch, config, cpu)
    target, _ = targets(batch, seen, trainer.copies.networks, config, noise_of(config, "cem", 0))
    limit = torch.from_numpy(toy.episode_reason[draw.episode] == EndReason.LIMIT)
    assert torch.equal(batch.terminal, ~limit) and limit.any()
    assert torch.equal(batch.cut_off, limit) and len(batch.limit) == limit.sum()
    torch.testing.assert_close(target[~limit], batch.success[~limit])
    failed = limit[:, None] & (batch.success == 0)
    assert torch.all(target[failed] > 0.05)  # bootstrapped from an untrained network's Q
    assert torch.all(target[limit[:, None] & (batch.success == 1)] >= 0.9 - 1e-6)


def test_resumes_exactly(toy, tmp_path):
    straight = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    straight.set_data(toy)
    straight.train(steps=6)
    first = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    first.set_data(toy)
    first.train(steps=3)
    save_run(tmp_path / "run", first)
    second = load_run(tmp_path / "run", TASKS)
    second.set_data(toy)
    second.train(steps=3)
    assert second.step == 6
    for name in ("online", "average"):
        a, b = getattr(straight, name).state_dict(), getattr(second, name).state_dict()
        assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("then", ["load", "ask first", "save again", "cut off again"])
def test_a_save_that_was_cut_off_between_its_renames_is_not_lost(toy, tmp_path, monkeypatch, then):
    trainer = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    trainer.set_data(toy)
    save_run(tmp_path / "run", trainer)
    trainer.step = 7
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut_off_at(4, Path.rename))
        with pytest.raises(KeyboardInterrupt):
            save_run(tmp_path / "run", trainer)
    assert not (tmp_path / "run" / "training").exists()
    if then == "cut off again":  # while it writes: what is aside must be safe by then
        with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
            patch.setattr(os, "fsync", disk_full)
            files = {"state.safetensors": b"", "state.json": b"{}"}
            write_folder(tmp_path / "run" / "training", files)
        shutil.rmtree(tmp_path / "run" / "training.partial")
    if then == "save again":
        trainer.step = 9
        save_run(tmp_path / "run", trainer)
    if then == "ask first":
        assert can_resume(tmp_path / "run")
    assert load_run(tmp_path / "run", TASKS).step == trainer.step
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["checkpoint", "training"]


def disk_full(file):
    raise OSError("disk full")


def test_a_run_that_was_killed_between_its_writes_is_not_ahead_of_its_checkpoint(
    toy, tmp_path, monkeypatch
):
    trainer = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    trainer.set_data(toy)
    save_run(tmp_path / "run", trainer)
    trainer.step, writes = 7, []

    def second_fails(write):
        def written(*arguments):
            writes.append(write)
            if len(writes) == 2:
                raise KeyboardInterrupt
            return write(*arguments)

        return written

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for name in ("write_folder", "save_q_function"):
            patch.setattr(run_folder, name, second_fails(getattr(run_folder, name)))
        save_run(tmp_path / "run", trainer)
    served = load_q_function(tmp_path / "run" / "checkpoint", TASKS.names).metrics["step"]
    assert (load_run(tmp_path / "run", TASKS).step, served) == (0, 7)


def cut_off_at(last, rename):
    """A rename that works until then; a folder that is there is renamed twice."""
    calls = []

    def renamed(path, target):
        calls.append(path)
        if len(calls) == last:
            raise KeyboardInterrupt
        return rename(path, target)

    return renamed


def test_goes_on_with_more_data(toy):
    trainer = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    trainer.set_data(toy)
    few = trainer.counts["lift-red"]
    trainer.train(steps=2)
    trainer.set_data(collect(300, seed=5))
    assert trainer.counts["lift-red"] != few
    assert trainer.train(steps=2)["step"] == 4


def test_a_run_of_other_tasks_and_a_broken_one_are_refused(toy, tmp_path):
    trainer = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    trainer.set_data(toy)
    save_run(tmp_path / "run", trainer)
    with pytest.raises(InputError, match="tasks"):
        load_run(tmp_path / "run", TASKS.subset(["lift-red"]))
    state = tmp_path / "run" / "training" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match="training run"):
        load_run(tmp_path / "run", TASKS)


def test_metrics_after_a_lost_part_are_dropped(tmp_path):
    write = MetricsFile(tmp_path)
    for step in (1, 2, 3):
        write({"step": step})
    MetricsFile(tmp_path, from_step=2)({"step": 3, "again": True})
    assert [r.get("again", False) for r in read_metrics(tmp_path)] == [False, False, True]


def test_bad_settings_are_named():
    with pytest.raises(InputError, match="backup.*'td'"):
        TrainConfig(backup="td")
    with pytest.raises(InputError, match="shift_px"):
        TrainConfig(batch=0, goals=GoalConfig(batch=8), distortion=DistortionConfig(shift_px=2))
    with pytest.raises(InputError, match="first_pictures"):
        TrainConfig(first_pictures=0)
    with pytest.raises(InputError, match="proposals"):
        Trainer(TASKS, CAMERAS, QUICK, SMALL).set_config(dataclasses.replace(QUICK, proposals=True))
    with pytest.raises(InputError, match="proposals.*small network"):
        network_config("published", 3, {"shoulder": (472, 472)}, proposers=((0,), (1,), (2,)))
    with pytest.raises(InputError, match="lift-green"):
        Trainer(TASKS, CAMERAS, TrainConfig(tasks=("lift-green",)), SMALL)


def test_area_under_curve_by_hand():
    assert area_under_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == pytest.approx(0.75)
    assert area_under_curve([1, 1, 1, 1], [0, 1, 0, 1]) == pytest.approx(0.5)
    assert np.isnan(area_under_curve([1, 2], [1, 1]))


def test_deciding_rows_are_where_the_gripper_first_closes(toy):
    episodes = np.arange(200)
    rows = deciding_rows(toy, episodes)
    for episode, row in zip(episodes, rows, strict=True):
        start, steps = toy.episode_start[episode], toy.episode_steps[episode]
        closes = np.flatnonzero(toy.action[start : start + steps, 5] > 0.5)
        assert row == (start + closes[0] if len(closes) else -1)
    steps = GripperChanges.of(toy).first_step[:200]
    np.testing.assert_array_equal(steps, np.where(rows < 0, -1, rows - toy.episode_start[:200]))


def test_a_command_that_changes_nothing_decides_nothing():
    """A place whose policy closes the closed gripper twice before it opens it."""
    state, action = np.zeros((9, 7), np.float32), np.zeros((9, 8), np.float32)
    state[:6, 0], action[[1, 3], 5], action[5, 6] = 1, 1, 1
    data = ToyDataset(
        TASKS.names, {}, {}, state, action, np.array([0, 7]), np.array([6, 1], np.int32),
        np.zeros(2, np.int32), np.full(2, EndReason.LIMIT, np.int8),
    )  # fmt: skip
    changes = GripperChanges.of(data)
    assert changes.first_row.tolist() == [5, -1] and changes.first_step.tolist() == [5, -1]
    action[8, 5] = 1  # an episode's last row has no action
    assert GripperChanges.of(data).first_step.tolist() == [5, -1]


def test_the_last_change_of_the_gripper_is_the_label_of_the_map():
    """Two episodes that close on nothing, open and close once more; one is cut off before that."""
    closed = [0, 0, 1, 1, 0, 0, 1, 1]
    told = {1: 5, 3: 6, 5: 5}  # closes, opens, closes
    state, action = np.zeros((13, 7), np.float32), np.zeros((13, 8), np.float32)
    for start, rows in ((0, 8), (8, 5)):
        state[start : start + rows, 0] = closed[:rows]
        for step, column in told.items():
            if step < rows - 1:
                action[start + step, column] = 1
    state[:, 2:4] = np.arange(26).reshape(13, 2)
    state[:, 5:7] = np.arange(26).reshape(13, 2) / 100
    data = ToyDataset(
        TASKS.names, {}, {}, state, action, np.array([0, 8]), np.array([7, 4], np.int32),
        np.zeros(2, np.int32), np.full(2, EndReason.LIMIT, np.int8),
    )  # fmt: skip
    one = np.zeros((11, 1), np.float32)
    draw = Draw(
        np.repeat([0, 1], (7, 4)), np.r_[:7, :4], one.astype(np.int64), one, one, one > 0,
        one[:, 0] > 0,
    )  # fmt: skip
    batch = transitions(data, draw, GripperChanges.of(data))
    assert batch.first_row.tolist() == 7 * [0] + 4 * [8] and batch.acts.tolist() == 11 * [1]
    assert batch.closes.tolist() == 7 * [1] + 4 * [0]
    assert batch.acted_m.tolist() == 7 * [[10, 11]] + 4 * [[22, 23]]
    np.testing.assert_allclose(batch.acted_azimuth, 7 * [[0.1, 0.11]] + 4 * [[0.22, 0.23]])
    assert batch.as_first.tolist() == [1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1], "where it opens stays"
    still = transitions(dataclasses.replace(data, action=0 * action), draw, GripperChanges.of(
        dataclasses.replace(data, action=0 * action)
    ))  # fmt: skip
    assert still.acts.tolist() == 11 * [0] and still.as_first.tolist() == 11 * [1]


def test_a_map_is_told_by_first_pictures_and_later_ones_are_to_tell_the_same(toy):
    trainer = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    trainer.set_data(toy)
    _, batch = trainer.data.draw(0, QUICK)
    trainer.close()
    random, n, f = torch.Generator().manual_seed(0), len(batch.row), 5
    place = torch.randn(6, 2, generator=random) / 10
    later, first = (
        AffordanceScores(torch.randn(rows, 3, 6, generator=random), place) for rows in (n + 7, f)
    )
    weight = batch.weight * (batch.success >= 0.5) * batch.acts[:, None]
    assert 0 < (weight[:f] > 0).sum() < weight[:f].numel()
    told = place_loss(first, batch.task[:f], batch.acted_m[:f], weight[:f])
    carried = carried_loss(later.first(f), first, batch.task[:f], batch.as_first[:f])
    torch.testing.assert_close(map_loss(later, first, batch), told + carried)


def test_fine_tuning_begins_with_the_weights_of_a_checkpoint(toy):
    taught = Trainer(TASKS, CAMERAS, dataclasses.replace(QUICK, seed=5), SMALL)
    config = dataclasses.replace(QUICK, lagged_copy_steps=10)
    trainer = Trainer(TASKS, CAMERAS, config, SMALL)
    trainer.start_from(taught.average)
    wanted = taught.average.state_dict()
    for copy in (trainer.online, trainer.average, trainer.copies.lagged):
        assert all(torch.equal(value, wanted[name]) for name, value in copy.state_dict().items())
    trainer.set_data(toy)
    trainer.train(steps=1)
    assert not torch.equal(trainer.online.join.weight, wanted["join.weight"])
    assert torch.equal(taught.average.join.weight, wanted["join.weight"])
    with pytest.raises(InputError, match="resuming"):
        trainer.start_from(taught.average)
    other = Trainer(TASKS, CAMERAS, QUICK, dataclasses.replace(SMALL, hidden=32))
    with pytest.raises(InputError, match="network of the checkpoint"):
        other.start_from(taught.average)
    with pytest.raises(InputError, match="cameras.*the network's own"):
        Trainer(TASKS, CAMERAS, dataclasses.replace(QUICK, cameras=("wrist",)), SMALL)


@pytest.mark.parametrize(
    "cameras, says",
    [
        ({"shoulder": (32, 32), "wrist": (16, 16)}, "shoulder.*got 32x32.*expected 16x16"),
        ({"shoulder": (16, 16)}, "wrist.*shoulder.*alone.*expected 16x16"),
    ],
)
def test_pictures_of_another_size_than_the_networks_are_refused(cameras, says):
    with pytest.raises(InputError, match=says):
        Trainer(TASKS, cameras, QUICK, SMALL)


def test_a_network_that_cuts_the_middle_takes_larger_pictures_only():
    network = PublishedConfig(len(TASKS), "shoulder", crop_px=218)
    config = dataclasses.replace(QUICK, network="published", affordance_weight=0.0)
    assert Trainer(TASKS, {"shoulder": (240, 220)}, config, network).cameras["shoulder"][0] == 240
    with pytest.raises(InputError, match="got 240x210.*expected 218x218 or more"):
        Trainer(TASKS, {"shoulder": (240, 210)}, config, network)


def test_nothing_is_decided_before_the_gripper_moves(toy):
    config = dataclasses.replace(QUICK, terminate_states=8, undecided_states=200)
    trainer = Trainer(TASKS, CAMERAS, config, SMALL)
    trainer.set_data(toy)
    _, batch = trainer.data.draw(3, config)
    last, early = batch.judged_row[:8], batch.judged_row[8:]
    assert set(last) <= set(toy.episode_start + toy.episode_steps)
    episode = np.searchsorted(toy.episode_start, early, side="right") - 1
    decided = np.maximum(GripperChanges.of(toy).first_step[episode], 0)
    step = early - toy.episode_start[episode]
    assert (step <= decided).all() and (step == decided).any() and (step == 0).any()
    assert batch.judged_success[8:].sum() == 0 and batch.judged_success[:8].sum() > 0
    assert set(batch.judged_weight[8:].flatten().tolist()) <= {0.0, 1.0}


def test_a_loss_that_is_no_number_ends_the_run_and_its_last_save_stays(toy, tmp_path):
    trainer = Trainer(TASKS, CAMERAS, QUICK, SMALL)
    trainer.set_data(toy)
    records = []
    trainer.train(2, write=records.append)
    save_run(tmp_path, trainer)
    saved = {p: p.read_bytes() for p in tmp_path.rglob("*.*")}
    with torch.no_grad():
        next(trainer.online.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="loss in training, by step 3: .*nothing is saved"):
        trainer.train(1, write=records.append)
    with pytest.raises(InputError, match="online/.* in training, by step 3"):
        save_run(tmp_path, trainer)
    trainer.close()
    assert len(records) == 1
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.*")} == saved
