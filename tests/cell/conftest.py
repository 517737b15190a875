"""Runs commands and reads bags, for the tests of the cell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagEpisode, BagReader


def start_mtopt(*arguments: object) -> subprocess.Popen:
    """An `mtopt` command as a process, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "mtopt_bringup.main", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=dict(os.environ),
    )  # fmt: skip


def run_mtopt(*arguments: object, timeout_s: float = 160.0) -> dict:
    """Runs an `mtopt` command; its JSON object, and its exit code as `exit_code`."""
    process = start_mtopt(*arguments, "--json")
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"{arguments} did not end in {timeout_s} s:\n{err[-2000:]}")
    result = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
    return {**result, "exit_code": process.returncode, "stderr": err}


def read_episodes(folder: Path) -> dict[str, BagEpisode]:
    """All complete episodes below a folder, void ones too, by id."""
    episodes = {}
    for bag in find_bags([folder]):
        with BagReader(bag, joint_states=True) as reader:
            for episode in reader.episodes(void=True):
                assert episode.begin.episode_id not in episodes, "an id twice"
                episodes[episode.begin.episode_id] = episode
    return episodes


@pytest.fixture(scope="session")
def mtopt():
    """Runs an `mtopt` command, see `run_mtopt`."""
    return run_mtopt


@pytest.fixture(scope="session")
def started():
    """Starts an `mtopt` command, see `start_mtopt`."""
    return start_mtopt


@pytest.fixture(scope="session")
def episodes():
    """Reads bags, see `read_episodes`."""
    return read_episodes
