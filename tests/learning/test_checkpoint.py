"""Checkpoints: whole, or refused with the reason; and the policy that serves them."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from reach_world import CAMERAS, TASKS

from mtopt_bringup.policies import learned_policy
from mtopt_learning.checkpoint.configuration import from_plain, to_plain
from mtopt_learning.checkpoint.folder import save_folder
from mtopt_learning.checkpoint.q_function import QFunction, load_q_function, save_q_function
from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy
from mtopt_learning.qlearn.network import NetworkConfig, QNetwork
from mtopt_learning.qlearn.tower import TowerConfig
from mtopt_learning.train.config import TrainConfig
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import PolicyRequest
from mtopt_spec.observation import Observation

SMALL = NetworkConfig(
    3, tuple(TowerConfig(c, 16, 16, (8, 16), (4, 3), (2, 2), 16) for c in CAMERAS), 32, 32
)


def q_function(seed=0):
    torch.manual_seed(seed)
    return QFunction(QNetwork(SMALL), TASKS.names, dict(CAMERAS))


@pytest.fixture
def folder(tmp_path):
    save_q_function(tmp_path / "checkpoint", q_function(), to_plain(TrainConfig()), "data1")
    return tmp_path / "checkpoint"


def request(robot="robot_1", task="lift-red", size=16, cameras=tuple(CAMERAS), step=0):
    random = np.random.default_rng(int(robot[-1]))
    pictures = {
        c: encode_jpeg(random.integers(0, 256, (size, size, 3), dtype=np.uint8)) for c in cameras
    }
    observation = Observation(0.0, pictures, False, 0.1, (0.0, 0.1, 0.2, 0.0))
    return PolicyRequest(robot, "e", step, int(robot[-1]), task, "qfunction", observation)


def test_comes_back_as_it_was(folder):
    loaded = load_q_function(folder, TASKS.names, CAMERAS)
    for key, value in q_function().network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)
    config = json.loads((folder / "config.json").read_text())
    assert config["data_fingerprint"] == "data1"
    assert from_plain(TrainConfig, config["settings"]["training"], "test") == TrainConfig()
    assert sorted(os.listdir(folder.parent)) == ["checkpoint"]  # nothing left aside


def test_in_the_simulator_a_policy_of_other_cameras_is_refused_before_it_acts(tmp_path):
    tower = TowerConfig("hand_eye", 16, 16, (8, 16), (4, 3), (2, 2), 16)
    network = QNetwork(replace(SMALL, towers=(tower,)))
    of_others = QFunction(network, TASKS.names, {"hand_eye": (16, 16)})
    save_q_function(tmp_path / "checkpoint", of_others, to_plain(TrainConfig()), "data1")
    with pytest.raises(InputError, match="got .'hand_eye'., expected those of the simulator's"):
        learned_policy(tmp_path / "checkpoint", TASKS)


def test_saving_over_an_older_one_changes_the_fingerprint(folder):
    before = load_q_function(folder).fingerprint
    after = save_q_function(folder, q_function(1), {}, "data2")
    assert after != before and load_q_function(folder).fingerprint == after


def held(path):
    """Every file at or below a path, and what is in it."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {p.relative_to(path.parent): p.read_bytes() for p in files}


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (lambda f: f.write_text("a file"), "a file"),
        (lambda f: (f.mkdir(), (f / "notes.txt").write_text("mine")), "notes.txt"),
        (lambda f: (f / "robot_1" / "bag_0000").mkdir(parents=True), "robot_1"),
        (lambda f: (f.mkdir(), (f / "config.json").write_text("{}")), "config.json"),
        (lambda f: (save_q_function(f, q_function(), {}), (f / "README.md").write_text("my card")),
         "README.md"),
        (lambda f: (save_q_function(f, q_function(), {}), (f / "labels.csv").mkdir()),
         "labels.csv"),
        (lambda f: save_folder(f, "clone", {}, tasks=(), cameras={}, settings={}), "clone"),
    ],
)  # fmt: skip
def test_what_it_did_not_write_is_not_replaced(tmp_path, put, said):
    path = tmp_path / "precious"
    put(path)
    before = held(path)
    with pytest.raises(InputError, match=f"precious: got {said}.*name another folder"):
        save_q_function(path, q_function(), {})
    assert held(path) == before and os.listdir(tmp_path) == ["precious"]


def test_an_empty_folder_and_what_a_link_names_are_filled(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for seed in range(3):
        save_q_function(tmp_path / "link", q_function(seed), {})
    assert load_q_function(tmp_path / "real").fingerprint
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def edit(name):
    def change(folder):
        path = folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x55
        path.write_bytes(data)

    return change


def without(name):
    return lambda folder: (folder / name).unlink()


def config_with(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit("weights.safetensors"), "damaged weights"),
        (without("weights.safetensors"), "weights.safetensors"),
        (without("config.json"), "config.json"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "config.json").write_text("[]"), "damaged"),
        (config_with(kind="success_detector"), "success_detector"),
        (config_with(format=99), "99"),
        (config_with(settings={"network": {"kind": "small", "tasks": 3, "wings": 2}}), "wings"),
        (config_with(settings={"network": {"kind": "large"}}), "large"),
    ],
)
def test_damaged_checkpoints_are_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        load_q_function(folder)


def test_other_tasks_pictures_and_units_are_refused(folder):
    with pytest.raises(InputError, match="tasks"):
        load_q_function(folder, tuple(reversed(TASKS.names)))
    with pytest.raises(InputError, match="pictures"):
        load_q_function(folder, TASKS.names, {"shoulder": (64, 64), "wrist": (16, 16)})
    specs = json.loads((folder / "config.json").read_text())["specs"]
    config_with(specs={**specs, "max_translation_m": 0.1})(folder)
    with pytest.raises(InputError, match="specs"):
        load_q_function(folder)


def test_policy_answers_alike_alone_and_in_a_batch(folder):
    policy = QFunctionPolicy()
    policy.load(folder)
    requests = [request(f"robot_{i}") for i in range(7)]
    together = policy.choose(requests)
    for asked, answer in zip(requests, together, strict=True):
        assert answer.error == 0 and 0 < answer.q_value < 1
        assert answer.action.problem() is None
        alone = policy.choose([asked])[0]
        assert alone.action == answer.action and alone.checkpoint == policy.fingerprint
    assert len({answer.action for answer in together}) > 1


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (request(task="lift-green"), 1, "lift-green"),
        (request(size=8), 3, "8x8"),
        (request(cameras=("shoulder",)), 3, "wrist"),
    ],
)
def test_bad_requests_get_a_code_and_do_not_spoil_the_others(folder, asked, code, message):
    policy = QFunctionPolicy()
    policy.load(folder)
    bad, good = policy.choose([asked, request("robot_2")])
    assert bad.error == code and message in bad.error_msg
    assert good.error == 0


def test_policy_without_a_checkpoint_says_so():
    assert QFunctionPolicy().choose([request()])[0].error == 4


def test_policy_reloads_a_changed_checkpoint_and_keeps_the_old_one_when_it_is_bad(folder):
    policy = QFunctionPolicy(tasks=TASKS.names)
    policy.load(folder)
    assert not policy.reload_if_changed()
    new = save_q_function(folder, q_function(1), {}, "data2")
    assert policy.reload_if_changed() and policy.fingerprint == new
    edit("weights.safetensors")(folder)
    os.utime(folder / "config.json", ns=(1, 1))
    with pytest.raises(InputError, match="damaged"):
        policy.reload_if_changed()
    assert policy.fingerprint == new and policy.choose([request()])[0].error == 0
    assert not policy.reload_if_changed()


def test_of_a_network_that_proposes_the_policy_takes_what_is_proposed(folder):
    network = QNetwork(replace(SMALL, proposers=((0,), (1,), (2,))))
    torch.nn.init.zeros_(network.behaviour.out.weight)
    with torch.no_grad():
        network.behaviour.out.bias.copy_(torch.tensor([0.5, -0.5, 0, 0, 0, 9, 0, 0.0]))
    save_q_function(folder, QFunction(network, TASKS.names, dict(CAMERAS)), {}, "data")
    policy = QFunctionPolicy()
    policy.load(folder)
    answers = policy.choose([request(f"robot_{i}") for i in range(7)])
    for answer in answers:
        action = answer.action
        assert action.close and not action.terminate
        np.testing.assert_allclose(action.translation_m, [0.03, -0.03, 0], atol=0.012)
    assert len({answer.action for answer in answers}) > 1, "Q chooses among moves around it"


def test_exploration_changes_actions_only_when_asked(folder):
    def actions(config):
        policy = QFunctionPolicy(config=config)
        policy.load(folder)
        return [policy.choose([request(step=step)])[0].action for step in range(20)]

    quiet = actions(ActConfig())
    assert quiet == actions(ActConfig())
    noisy = actions(ActConfig(epsilon=1.0))
    assert noisy == actions(ActConfig(epsilon=1.0))
    assert sum(a != b for a, b in zip(quiet, noisy, strict=True)) == 20
    assert all(action.problem() is None for action in actions(ActConfig(noise=0.5)))
