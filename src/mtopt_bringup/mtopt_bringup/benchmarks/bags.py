"""`mtopt benchmark bags`: the recorder under load, the building of the cache, batches from it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from mtopt_bringup.benchmarks.synthetic_robot import noisy_picture
from mtopt_bringup.domain import domain_environment
from mtopt_bringup.number_types import positive_float, positive_int
from mtopt_bringup.supervisor import end_process
from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_spec.action import Action, SentAction
from mtopt_spec.episode import Episode, EpisodeBegin, EpisodeEnd, JointState, Step
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES, Observation
from mtopt_spec.resources import share_dir

_LOG = logging.getLogger("mtopt.benchmark.bags")
_STEPS_OF_AN_EPISODE = 100
_PERIOD_S = 0.1
_BATCH = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much and how long."""
    parser.add_argument(
        "--seconds", type=positive_float, default=30.0, help="of recording (published figure: 300)"
    )
    parser.add_argument("--robots", type=positive_int, default=7, help="one 640x480 camera each")
    parser.add_argument(
        "--megabytes", type=positive_float, default=100.0, help="of bags to build the cache from"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Runs all three.

    Returns:
        `dropped_frames`: messages that were published within episodes and are not in the bags
        (`recorded_frames` pictures, `recorder_cores` of processor time while recording);
        `build_s_per_gb` of bags; `images_per_s`: observations (a picture of each camera) read in
        random batches of 256; `write_ms_per_episode`: processor time of the in-process recorder.
    """
    if not (arguments.seconds >= 5 and arguments.robots >= 1 and arguments.megabytes >= 1):
        raise InputError(
            "--seconds, --robots, --megabytes",
            where="arguments",
            got=(arguments.seconds, arguments.robots, arguments.megabytes),
            expected="at least 5, 1 and 1",
        )
    with tempfile.TemporaryDirectory(prefix="mtopt_bags_") as folder:
        result = _build_and_read(Path(folder), arguments.megabytes * 1e6)
        _LOG.info("%s", result)
        return {**result, **_record(Path(folder), arguments.robots, arguments.seconds)}


def _build_and_read(folder: Path, size: float) -> dict:
    """Writes bags like those of the simulator's cell, builds a cache, reads batches."""
    episodes = [_episode(number, steps=12) for number in range(64)]
    writer = BagWriter(folder / "bags", "robot_1", sync=False)
    count, written, spent_s = 0, 0, 0.0
    while written < size:
        episode = episodes[count % len(episodes)]
        begin_s = time.process_time()
        messages = episode_messages(_at(episode, count))
        writer.write_episode(messages)
        spent_s += time.process_time() - begin_s
        count += 1
        if count % 64 == 0:
            written = _size(folder / "bags")
    writer.close()
    size = _size(folder / "bags")
    begin_s = time.perf_counter()
    build_dataset(find_bags([folder / "bags"]), folder / "data", ["lift-any"])
    build_s = time.perf_counter() - begin_s
    dataset, rng = Dataset.open(folder / "data"), np.random.default_rng(0)
    batches, begin_s = 0, time.perf_counter()
    while time.perf_counter() - begin_s < 3.0:
        rows = rng.integers(0, dataset.n_obs, _BATCH)
        for pictures in dataset.images.values():
            pictures[rows]
        batches += 1
    images_per_s = batches * _BATCH / (time.perf_counter() - begin_s)
    return {
        "build_s_per_gb": build_s / size * 1e9,
        "built_gb": size / 1e9,
        "episodes": count,
        "images_per_s": images_per_s,
        "write_ms_per_episode": spent_s / count * 1e3,
    }


def _record(folder: Path, robots: int, seconds: float) -> dict:
    """Runs the recorder and the robots as processes, and compares what was said with the bags."""
    names = [f"robot_{i + 1}" for i in range(robots)]
    episodes = max(1, round(seconds / _PERIOD_S / (_STEPS_OF_AN_EPISODE + 1)))
    environment = {**os.environ, **domain_environment()}
    out = folder / "recorded"
    python = [sys.executable, "-m"]
    recorder = subprocess.Popen(
        [
            *python, "mtopt_control.recorder.recorder_node", "--ros-args",
            "--params-file", str(share_dir() / "params" / "recorder_node.yaml"),
            "-p", f"out:={out}", "-p", f"robots:=[{', '.join(names)}]", "-p", "cameras:=[shoulder]",
        ],
        env=environment,
    )  # fmt: skip
    talkers = {
        name: subprocess.Popen(
            [
                *python, "mtopt_bringup.benchmarks.synthetic_robot", "--robot", name,
                "--episodes", str(episodes), "--steps", str(_STEPS_OF_AN_EPISODE),
                "--period-s", str(_PERIOD_S),
            ],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for name in names
    }  # fmt: skip
    try:
        said = {name: talker.communicate()[0] for name, talker in talkers.items()}
        times = psutil.Process(recorder.pid).cpu_times()
        lived_s = time.time() - psutil.Process(recorder.pid).create_time()
    finally:
        for process in (*talkers.values(), recorder):
            end_process(process, patience_s=30.0)
    lines = {line["episode_id"]: line for text in said.values() for line in _lines(text)}
    if len(lines) != robots * episodes:
        raise InputError(
            "recording", where="benchmark", got=f"{len(lines)} episodes said",
            expected=robots * episodes, todo="see the messages above",
        )  # fmt: skip
    found = Counter()
    joint_states = sum(line["joint_states"] for line in lines.values())
    for bag in find_bags([out]):
        with BagReader(bag, joint_states=True) as reader:
            for episode in reader.episodes():
                found["pictures"] += len(episode.stamp_ns)
                found["joint_states"] += len(episode.joint_stamp_ns)
            found["late"] += reader.counts["late_frames"]
    pictures = len(lines) * (_STEPS_OF_AN_EPISODE + 1)
    missing = pictures - found["pictures"], joint_states - found["joint_states"]
    _LOG.info("missing: %d pictures, %d joint states", *missing)
    return {
        "dropped_frames": sum(missing),
        "late_frames": found["late"],
        "recorded_frames": found["pictures"],
        "recorded_seconds": episodes * _STEPS_OF_AN_EPISODE * _PERIOD_S,
        "recorder_cores": (times.user + times.system) / lived_s,
    }


def _lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.mcap"))


def _episode(number: int, steps: int) -> Episode:
    """An episode like those of the simulated cell, with detailed pictures."""

    def observation(step: int) -> Observation:
        images = {
            camera: encode_jpeg(noisy_picture(*size, seed=number * 100 + step))
            for camera, size in DEFAULT_IMAGE_SIZES.items()
        }
        return Observation(step * 0.2, images, False, 0.05, (0.0, 0.0, 0.2, 0.0))

    rng = np.random.default_rng(number)
    action = Action(translation_m=(0.01, 0.0, -0.01))
    sent = SentAction(action, False, rng.normal(size=8))
    names = tuple(f"joint_{i}" for i in range(9))
    begin = EpisodeBegin(
        0.0, "robot_1", str(number), number, number, "lift-any", "random", "", 0.2,
        tuple(DEFAULT_IMAGE_SIZES),
    )  # fmt: skip
    end = EpisodeEnd(
        steps * 0.2, str(number), EndReason.LIMIT, Fault.NONE, "", steps, False, 0.0, "simulator",
        (TaskLabel("lift-any", False, 0.0, "simulator"),),
    )  # fmt: skip
    return Episode(
        begin,
        tuple(Step(observation(step), action, sent) for step in range(steps)),
        observation(steps),
        tuple(JointState(i * 0.04, names, *rng.normal(size=(3, 9))) for i in range(5 * steps + 1)),
        end,
    )


def _at(episode: Episode, number: int) -> Episode:
    """The same episode at another time, under an id of its own."""
    shift_s = number * 10.0

    def later(record, **more):
        return replace(record, stamp_s=record.stamp_s + shift_s, **more)

    return replace(
        episode,
        begin=later(episode.begin, episode_id=str(number)),
        end=later(episode.end, episode_id=str(number)),
        steps=tuple(replace(s, observation=later(s.observation)) for s in episode.steps),
        last_observation=later(episode.last_observation),
        joint_states=tuple(later(state) for state in episode.joint_states),
    )
