"""A small dataset through the real recorder and builder, with pictures worth looking at."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.find import find_bags
from mtopt_learning.checkpoint.q_function import QFunction, save_q_function
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.qlearn.network import QNetwork, default_network
from mtopt_learning.success.teaching import teach
from mtopt_learning.success.training import SuccessTrainConfig
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_spec.action import Action, SentAction
from mtopt_spec.episode import Episode, EpisodeBegin, EpisodeEnd, JointState, Step
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.observation import Observation

TASKS = ("lift-any", "lift-banana", "place-any")
JOINTS = tuple(f"iiwa_joint_{i}" for i in range(1, 8))
ROBOTS = ("robot_1", "robot_2")


def draw(size: int, tool: np.ndarray, closed: bool) -> bytes:
    """A picture of a bin, a banana and a gripper that comes down on it."""
    image = np.full((size, size, 3), (196, 200, 205), np.uint8)
    cv2.rectangle(image, (size // 8, size // 8), (size - size // 8, size - size // 8),
                  (150, 158, 166), -1)  # fmt: skip
    cv2.ellipse(image, (size // 2, 2 * size // 3), (size // 6, size // 12), 20, 0, 360,
                (236, 201, 60), -1)  # fmt: skip
    x, y = int(size * (0.5 + tool[0])), int(size * (0.9 - 3 * tool[2]))
    width = size // 16 if closed else size // 8
    for side in (-1, 1):
        cv2.rectangle(image, (x + side * width - 1, y - size // 5), (x + side * width + 1, y),
                      (40, 44, 52), -1)  # fmt: skip
    return encode_jpeg(image)


def make_episode(
    robot: str, number: int, rng: np.random.Generator, fault: Fault = Fault.NONE
) -> Episode:
    """Eight steps down and up; success becomes likelier with the number."""
    task = TASKS[number % 3] if number % 3 < 2 else "place-any"
    success = bool(rng.random() < 0.2 + 0.012 * number)
    policy = "scripted_pick" if number < 30 else "qfunction"
    steps, start_s = 8, number * 10.0
    xs = np.linspace(-0.2, 0.1 * rng.random(), steps + 1)
    zs = 0.2 - 0.18 * np.sin(np.linspace(0, np.pi, steps + 1))

    def observation(i: int) -> Observation:
        tool = (xs[i], 0.0, zs[i], 0.05 * i)
        closed = i > steps // 2
        pictures = {"shoulder": draw(64, tool, closed), "wrist": draw(32, tool, closed)}
        return Observation(start_s + 0.2 * i, pictures, closed, 0.02 if closed else 0.1, tool)

    actions = [
        Action(translation_m=(float(xs[i + 1] - xs[i]), 0.0, float(np.clip(zs[i + 1] - zs[i],
               -0.06, 0.06))), close=i == steps // 2, terminate=i == steps - 1)
        for i in range(steps)
    ]  # fmt: skip
    labels = tuple(
        TaskLabel(name, won, float(won), "simulator")
        for name, won in zip(TASKS, (success, success and number % 2 == 0, success), strict=True)
        if name.split("-")[0] == task.split("-")[0]
    )
    episode_id = f"test-{robot}-{number}"
    end_s = start_s + 0.2 * steps
    reason = EndReason.FAULT if fault else EndReason.TERMINATE
    return Episode(
        EpisodeBegin(start_s, robot, episode_id, number, number, task, policy, "", 0.2,
                     ("shoulder", "wrist")),
        tuple(Step(observation(i), a, SentAction(a, False, np.zeros(8)))
              for i, a in enumerate(actions)),
        observation(steps),
        tuple(JointState(t, JOINTS, np.sin(np.arange(7) + t), np.zeros(7), np.zeros(7))
              for t in np.linspace(start_s, end_s, 4 * steps)),
        EpisodeEnd(end_s, episode_id, reason, fault, "", steps, success, float(success),
                   "simulator", labels, dropped_frames=int(number == 3)),
    )  # fmt: skip


@pytest.fixture(scope="session")
def bags(tmp_path_factory) -> Path:
    """Bags of two robots, 60 episodes each and a void one."""
    folder = tmp_path_factory.mktemp("report") / "bags"
    rng = np.random.default_rng(0)
    for robot in ROBOTS:
        with BagWriter(folder, robot, sync=False) as writer:
            for number in range(60):
                writer.write_episode(episode_messages(make_episode(robot, number, rng)))
            void = make_episode(robot, 60, rng, Fault.ARM)
            writer.write_episode(episode_messages(void))
    return folder


@pytest.fixture(scope="session")
def dataset_folder(bags) -> Path:
    """The dataset of these bags, with a detector's labels."""
    folder = bags.parent / "data"
    build_dataset(find_bags([bags]), folder, TASKS, threads=1)
    dataset = Dataset.open(folder)
    truth = dataset.labels("simulator")
    noise = np.random.default_rng(1).normal(0, 0.22, truth.shape)
    dataset.write_labels("detector", np.clip(0.15 + 0.7 * truth + noise, 0, 1))
    return folder


@pytest.fixture(scope="session")
def detector_folder(bags, dataset_folder) -> Path:
    """A detector after a few steps on this dataset."""
    folder, dataset = bags.parent / "detector", Dataset.open(dataset_folder)
    config = SuccessTrainConfig(steps=5, batch=32, threads=1)
    teach(dataset, folder, config)
    return folder


@pytest.fixture(scope="session")
def run_folder(bags) -> Path:
    """A run with an untrained checkpoint; the last line of its metrics cut off as by a kill."""
    folder = bags.parent / "run"
    torch.manual_seed(0)
    cameras = {"shoulder": (64, 64), "wrist": (32, 32)}
    network = QNetwork(default_network(len(TASKS), cameras))
    save_q_function(folder / CHECKPOINT, QFunction(network, TASKS, cameras), {})
    lines = [
        json.dumps({"step": s, "seconds": s * 0.1, "loss": float(np.exp(-s / 900) + 0.1),
                    "q_mean": 0.3 + s * 1e-5, "auc": {"lift-any": 0.6 + s * 5e-5,
                    "place-any": 0.7 + s * 4e-5}})
        for s in range(0, 5000, 100)
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 5000, "lo')
    return folder


@pytest.fixture(scope="session")
def result_files(bags) -> dict[str, Path]:
    """What two evaluations and a run of the cell printed."""
    contents = {
        "scripted": {"policy": "scripted_pick", "mean": 0.2, "tasks": {
            "lift-any": {"attempts": 50, "successes": 15, "low": 0.19, "high": 0.44},
            "place-any": {"attempts": 50, "successes": 22, "low": 0.31, "high": 0.58}}},
        "learned": {"policy": "qfunction", "mean": 0.6, "tasks": {
            "lift-any": {"attempts": 50, "successes": 35, "low": 0.56, "high": 0.81}}},
        "cell": {"episodes": 70, "void_episodes": 1, "dropped_frames": 0,
                 "control_steps_per_s": 31.4, "episodes_per_s": 1.9,
                 "tasks": {"lift-any": {"attempts": 40, "successes": 24}}},
    }  # fmt: skip
    files = {}
    for name, content in contents.items():
        files[name] = bags.parent / f"{name}.json"
        files[name].write_text("progress text\n" + json.dumps(content) + "\n")
    return files
