"""`mtopt train`, killed and resumed, goes on exactly as it would have."""

import json
import os
import signal
import time

import pytest
from safetensors.torch import load_file

from mtopt_bringup.benchmarks.synthetic_dataset import write_synthetic
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.dataset.files import image_file
from mtopt_sim.cell import cell_tasks

STEPS, SAVE_EVERY, KILLED_AT = 160, 20, 60
WAIT_S = 150


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """200 synthetic episodes, with noise for pictures."""
    import numpy as np

    folder = tmp_path_factory.mktemp("resume") / "data"
    write_synthetic(folder, cell_tasks().names, 200, image_sizes={"shoulder": (32, 32)})
    rows = Dataset.open(folder).n_obs
    noise = np.random.default_rng(0).integers(0, 256, rows * 32 * 32 * 3, dtype=np.uint8)
    (folder / image_file("shoulder")).write_bytes(noise.tobytes())
    return folder


def options(data, out, steps):
    return [
        "train", data, "--out", out, "--steps", steps, "--save-every", SAVE_EVERY, "--batch", 8,
        "--threads", 1, "--seed", 5, "--device", "cpu", "--updater", "inline", "--json",
    ]  # fmt: skip


def curve(folder):
    """Every record of the metrics but its time."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def saved_step(folder):
    try:
        return json.loads((folder / "training" / "state.json").read_text())["step"]
    except (OSError, ValueError):
        return 0


@pytest.mark.timeout(400)
def test_a_killed_run_goes_on_with_the_same_loss_curve(mtopt, started, data, tmp_path):
    """Killed between two saves."""
    straight = tmp_path / "straight"
    assert mtopt(*options(data, straight, STEPS))["exit_code"] == 0
    killed = tmp_path / "killed"
    process = started(*options(data, killed, STEPS))
    deadline_s = time.monotonic() + WAIT_S
    while saved_step(killed) < KILLED_AT and time.monotonic() < deadline_s:
        assert process.poll() is None, process.stderr.read()[-2000:]
        time.sleep(0.005)
    time.sleep(0.1)  # some steps that are lost
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    reached = saved_step(killed)
    assert KILLED_AT <= reached < STEPS, "killed on its way"
    resumed = mtopt(*options(data, killed, STEPS - reached), "--resume")
    assert resumed["exit_code"] == 0 and resumed["steps"] == STEPS
    assert len(curve(straight)) == STEPS // SAVE_EVERY and curve(killed) == curve(straight)
    ours, theirs = (
        load_file(folder / "training" / "state.safetensors") for folder in (killed, straight)
    )
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)
