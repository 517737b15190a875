"""Behaviour cloning: its network, its loss, what it learns, its checkpoint and its policy."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reach_world import CAMERAS, TASKS, ReachWorld

from mtopt_learning.clone.examples import TaskExamples, success_index
from mtopt_learning.clone.network import (
    CloneNetwork,
    CloneNetworkConfig,
    _one_flag,
    default_clone,
)
from mtopt_learning.clone.policy import ClonePolicy
from mtopt_learning.clone.run import load_clone, save_clone, train_clone
from mtopt_learning.clone.training import CloneConfig, CloneTrainer
from mtopt_learning.policy.q_policy import (
    ERROR_BAD_IMAGE,
    ERROR_NO_CHECKPOINT,
    ERROR_UNKNOWN_TASK,
)
from mtopt_learning.qlearn.actions import decode
from mtopt_learning.qlearn.behaviour import clone_loss, command_class
from mtopt_learning.qlearn.tower import TowerConfig
from mtopt_learning.relabel.sampler import SamplerConfig
from mtopt_learning.train.run_folder import CHECKPOINT, read_metrics
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, PolicyRequest
from mtopt_spec.observation import Observation

QUICK = CloneConfig(steps=300, batch=64, device="cpu", bf16=False)
TINY = CloneNetworkConfig(
    3, tuple(TowerConfig(c, 16, 16, (8, 16), (4, 3), (2, 2), 16) for c in CAMERAS), 32, 32
)


def inputs(rows):
    random = torch.Generator().manual_seed(0)
    images = {
        c: torch.randint(0, 256, (rows, 3, *size), generator=random, dtype=torch.uint8)
        for c, size in CAMERAS.items()
    }
    task = F.one_hot(torch.arange(rows) % 3, 3).float()
    return images, torch.rand(rows, 7, generator=random), task


# -- network ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("outputs", "size"), [("classes", 8), ("squashed", 7)])
def test_shapes_and_what_an_action_may_be(outputs, size):
    torch.manual_seed(0)
    network = CloneNetwork(default_clone(3, CAMERAS, outputs))
    torch.nn.init.normal_(network.out.weight)  # so that all kinds of actions come up
    seen = inputs(64)
    assert network(*seen).shape == (64, size)
    code = network.act(*seen)
    assert code.shape == (64, 7)
    assert code[:, :4].abs().max() <= 1
    flags = code[:, 4:]
    assert set(flags.unique().tolist()) == {0.0, 1.0} and flags.sum(1).max() == 1
    assert torch.all(code[flags[:, 2] == 1, :4] == 0), "who stops does not move"


def test_the_task_and_every_input_matter():
    torch.manual_seed(0)
    network = CloneNetwork(TINY)
    images, state, task = inputs(4)
    before = network(images, state, task)
    assert not torch.allclose(before, network(images, state, task.roll(1, 0)))
    assert not torch.allclose(before, network(images, state + 0.5, task))
    for camera in CAMERAS:
        other = {**images, camera: 255 - images[camera]}
        assert not torch.allclose(before, network(other, state, task))


def test_unknown_outputs_are_refused():
    with pytest.raises(InputError, match="outputs in clone network: got 'logits'"):
        replace(TINY, outputs="logits")


def test_command_class_by_hand():
    code = torch.zeros(5, 7)
    code[1, 4] = code[2, 5] = code[3, 6] = 1
    code[4, :4] = 0.9
    assert command_class(code).tolist() == [0, 1, 2, 3, 0]
    assert command_class(code).dtype == torch.int64


def test_one_flag_by_hand():
    move = torch.tensor([[0.5, -0.5, 0.1, 0.2]]).repeat(4, 1)
    flags = torch.tensor([[-1.0, -2, -3], [0.1, 0.3, -1], [0.4, 0.3, 0.2], [1.0, 2, 3]])
    want = torch.tensor(
        [
            [0.5, -0.5, 0.1, 0.2, 0, 0, 0],
            [0.5, -0.5, 0.1, 0.2, 0, 1, 0],
            [0.5, -0.5, 0.1, 0.2, 1, 0, 0],
            [0.0, 0, 0, 0, 0, 0, 1],
        ]
    )
    assert torch.equal(_one_flag(move, flags), want)


def test_acts_by_the_likeliest_class():
    torch.manual_seed(0)
    network = CloneNetwork(TINY)
    torch.nn.init.normal_(network.out.weight)
    seen = inputs(64)
    assert torch.equal(command_class(network.act(*seen)), network(*seen)[:, 4:].argmax(1))


# -- loss and data ----------------------------------------------------------------------------


def test_loss_by_hand():
    """A small error, a large one, and a stop, whose move is no matter."""
    code = torch.zeros(3, 7)
    code[1, 4] = code[2, 6] = 1
    output = torch.zeros(3, 8)
    output[0, 0] = 0.1  # quadratic: 0.1^2 / 2 in one of four numbers
    output[1, 1] = -1.0  # beyond 0.2 linear: 0.2 (1 - 0.1)
    output[2, :4] = 7.0
    output[2, 7] = math.log(3)  # 3 of 6
    move = (0.005 / 4 + 0.18 / 4) / 2 / 0.2**2
    command = (2 * math.log(4) + math.log(2)) / 3
    assert clone_loss(output, code).item() == pytest.approx(move + command, rel=1e-5)


def test_loss_of_stops_alone_is_that_of_the_command():
    code = torch.zeros(2, 7)
    code[:, 6] = 1
    assert clone_loss(torch.ones(2, 8), code).item() == pytest.approx(math.log(4))


def test_only_successes_that_count_for_the_task_are_in_the_index(toy):
    labels = np.array([[1, 0, 0], [0.4, 0.6, 1], [np.nan, 1, 0], [1, 1, 1]], np.float32)
    own_task = np.array([0, 0, 1, 2], np.int16)
    few = replace(toy, episode_task=own_task, stored={"simulator": labels})
    nan = np.nan
    own = [[1, nan, nan], [nan, nan, nan], [nan, 1, nan], [nan, nan, 1]]
    by_skill = [[1, nan, nan], [nan, 1, nan], [nan, 1, nan], [nan, nan, 1]]
    np.testing.assert_array_equal(success_index(few, TASKS, labels, "f_orig"), own)
    np.testing.assert_array_equal(success_index(few, TASKS, labels, "f_skill"), by_skill)


def test_draws_are_steps_of_successes_without_faults(toy):
    reason = toy.episode_reason.copy()
    reason[::2] = EndReason.FAULT
    data, sampling = replace(toy, episode_reason=reason), SamplerConfig(deciding_share=0.0)
    examples = TaskExamples(data, None, TASKS, None, QUICK.sharing, sampling, QUICK.batch, 0, "")
    draw = examples.sampler.draw(500, np.random.default_rng(0))
    assert np.all(toy.labels()[draw.episode, draw.task[:, 0]] == 1)
    assert np.all(draw.episode % 2 == 1)


# -- learning ---------------------------------------------------------------------------------


def reached(network, worlds=100):
    """Share of fresh worlds in which the network gets to the patch of the task's colour."""
    random = np.random.default_rng(99)
    scenes, task = [ReachWorld(random) for _ in range(worlds)], torch.arange(worlds) % 2
    stopped = np.zeros(worlds, bool)
    for _ in range(8):
        seen = [scene.pictures() for scene in scenes]
        images = {
            c: torch.from_numpy(np.stack([s[c] for s in seen])).permute(0, 3, 1, 2) for c in CAMERAS
        }
        state = torch.from_numpy(np.stack([scene.state() for scene in scenes]))
        with torch.no_grad():
            vectors = decode(network.act(images, state, F.one_hot(task, 3).float())).numpy()
        for i, vector in enumerate(vectors):
            stopped[i] |= vector[7] > 0.5
            if not stopped[i]:
                scenes[i].move(vector)
    return np.mean([s.reached()[int(t)] for s, t in zip(scenes, task, strict=True)])


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    """A run's folder and what `train_clone` gave."""
    folder = tmp_path_factory.mktemp("clone")
    told = []
    result = train_clone(folder, toy, TASKS, QUICK, told.append)
    assert told == list(range(1, 301))
    return folder, result


def test_learns_to_reach_the_named_colour_from_pictures(trained, toy):
    folder, result = trained
    untrained = CloneTrainer(toy, TASKS, QUICK).network
    assert reached(untrained) < 0.15
    assert reached(load_clone(folder / CHECKPOINT)[0]) > 0.4  # the script reaches 0.28
    records = read_metrics(folder)
    assert [r["step"] for r in records] == [100, 200, 300]
    assert records[-1]["loss"] < records[0]["loss"]
    assert result["steps"] == 300 and result["examples"]["lift-red"][0] == 0
    assert result["examples"]["lift-red"][1] == int(toy.labels()[:, 0].sum())
    assert result["parameters"] == sum(p.numel() for p in untrained.parameters())


def test_a_seed_gives_the_same_weights(toy):
    def weights(seed):
        trainer = CloneTrainer(toy, TASKS, replace(QUICK, steps=2, batch=8, seed=seed))
        trainer.train()
        return torch.cat([p.flatten() for p in trainer.network.parameters()])

    assert torch.equal(weights(3), weights(3)) and not torch.equal(weights(3), weights(4))


# -- checkpoint -------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    network = CloneNetwork(TINY)
    torch.nn.init.normal_(network.out.weight)
    save_clone(tmp_path / "checkpoint", network, TASKS.names, dict(CAMERAS), {}, "data1")
    return tmp_path / "checkpoint"


def test_a_checkpoint_comes_back_as_it_was(checkpoint):
    network, tasks, cameras, fingerprint = load_clone(checkpoint, TASKS.names)
    assert (tasks, cameras, network.config) == (TASKS.names, CAMERAS, TINY)
    torch.manual_seed(0)
    same = CloneNetwork(TINY)
    torch.nn.init.normal_(same.out.weight)
    seen = inputs(4)
    assert torch.equal(network(*seen), same(*seen)) and len(fingerprint) == 12
    assert [p.name for p in checkpoint.parent.iterdir()] == ["checkpoint"], "nothing left aside"


def edited(**changes):
    def edit(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def cut(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (edited(kind="q_function"), "q_function.*expected.*clone"),
        (edited(tasks=["lift-red"]), "checkpoint's tasks"),
        (edited(settings={}), "CloneNetworkConfig settings"),
        (edited(settings={"network": {"tasks": 3, "towers": [], "depth": 1}}), "depth"),
        (cut, "damaged weights"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "No such file"),
    ],
    ids=["kind", "tasks", "no network", "unknown key", "cut", "missing"],
)
def test_what_is_not_a_clone_of_these_tasks_is_refused(checkpoint, damage, says):
    damage(checkpoint)
    with pytest.raises(InputError, match=says):
        load_clone(checkpoint, TASKS.names)


# -- policy -----------------------------------------------------------------------------------


def request(number, task="lift-red", size=16, cameras=tuple(CAMERAS)):
    random = np.random.default_rng(number)
    pictures = {
        c: encode_jpeg(random.integers(0, 256, (size, size, 3), dtype=np.uint8)) for c in cameras
    }
    observation = Observation(0.0, pictures, False, 0.1, (0.0, 0.1, 0.2, 0.0))
    return PolicyRequest(f"robot_{number}", "e", 0, number, task, "clone", observation)


def test_an_answer_does_not_depend_on_who_asks_beside_it(checkpoint):
    policy = ClonePolicy(TASKS.names)
    fingerprint = policy.load(checkpoint)
    requests = [request(i, TASKS.names[i % 3]) for i in range(11)]
    together = policy.choose(requests)
    assert together == [policy.choose([one])[0] for one in requests]
    assert len({tuple(a.action.to_vector()) for a in together}) > 5, "pictures matter"
    assert {a.checkpoint for a in together} == {fingerprint}


def test_what_cannot_be_answered_gets_its_error_and_the_others_an_action(checkpoint):
    policy = ClonePolicy()
    policy.load(checkpoint)
    bad = [request(1, "lift-green"), request(2, size=24), request(3, cameras=("wrist",))]
    good = request(4)
    answers = policy.choose([*bad, good])
    assert [a.error for a in answers] == [ERROR_UNKNOWN_TASK, ERROR_BAD_IMAGE, ERROR_BAD_IMAGE, 0]
    assert "robot_1" in answers[0].error_msg and "lift-green" in answers[0].error_msg
    assert "24x24" in answers[1].error_msg and "picture of shoulder" in answers[2].error_msg
    assert answers[3] == policy.choose([good])[0]
    assert policy.choose([]) == []


def test_without_a_checkpoint_it_says_so():
    (answer,) = ClonePolicy(TASKS.names).choose([request(1)])
    assert answer.error == ERROR_NO_CHECKPOINT


def test_after_a_refused_checkpoint_the_one_before_goes_on(checkpoint, tmp_path):
    policy = ClonePolicy()
    policy.load(checkpoint)
    before = policy.choose([request(1)])
    with pytest.raises(InputError, match="No such file"):
        policy.load(tmp_path / "nothing")
    assert policy.choose([request(1)]) == before


def test_takes_any_tasks_where_it_is_given_none(checkpoint, tmp_path):
    policy = ClonePolicy()
    policy.load(checkpoint)
    save_clone(
        tmp_path / "other", CloneNetwork(replace(TINY, tasks=1)), ("lift-green",), CAMERAS, {}
    )
    policy.load(tmp_path / "other")
    assert policy.choose([request(1, "lift-green")])[0].error == 0


def test_the_learning_rate_falls_where_it_is_asked_to(toy):
    for steps, last in ((0, 1.0), (4, 0.232)):
        trainer = CloneTrainer(toy, TASKS, replace(QUICK, steps=4, decay_steps=steps))
        trainer.train()
        rate = trainer.optimizer.param_groups[0]["lr"]
        assert rate == pytest.approx(last * QUICK.learning_rate, rel=0.01)
