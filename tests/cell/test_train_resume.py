"""`mtopt train`, killed or interrupted and resumed, goes on exactly as it would have."""

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


def options(data, out, steps, save_every=SAVE_EVERY):
    return [
        "train", data, "--out", out, "--steps", steps, "--save-every", save_every, "--batch", 8,
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


@pytest.fixture(scope="module")
def straight(mtopt, data, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    assert mtopt(*options(data, folder, STEPS))["exit_code"] == 0
    return folder


def assert_same_weights(ours, theirs):
    ours, theirs = (
        load_file(folder / "training" / "state.safetensors") for folder in (ours, theirs)
    )
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)


@pytest.mark.timeout(400)
def test_a_killed_run_goes_on_with_the_same_loss_curve(mtopt, started, data, straight, tmp_path):
    """Killed between two saves."""
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
    assert_same_weights(killed, straight)


@pytest.mark.timeout(400)
def test_an_interrupted_run_is_saved_at_a_steps_end(mtopt, started, data, straight, tmp_path):
    """Ctrl-C long before the first save; no step is lost, and none is cut in two."""
    run = tmp_path / "run"
    process = started(*options(data, run, 10_000, save_every=10_000), "--resume")
    deadline_s = time.monotonic() + WAIT_S
    while not (run / "metrics.jsonl").is_file() or not curve(run):
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_S)
    result = json.loads(out)
    assert process.returncode == 130, err[-2000:]
    assert f"no run in {run}; a new one is begun" in err
    assert f"interrupted and saved at step {result['steps']}" in err
    assert 100 <= result["steps"] == saved_step(run) < STEPS and result["loss"] > 0
    state = json.loads((run / "training" / "state.json").read_text())
    assert state["seconds"] >= json.loads((run / "metrics.jsonl").read_text())["seconds"]
    resumed = mtopt(*options(data, run, STEPS - result["steps"]), "--resume")
    assert resumed["exit_code"] == 0 and resumed["steps"] == STEPS
    assert "a new one" not in resumed["stderr"]
    assert_same_weights(run, straight)
