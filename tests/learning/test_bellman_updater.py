"""Targets from a process beside the trainer: as good as inline ones, of bounded age, no orphan."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reach_world import CAMERAS, TASKS
from test_trainer import QUICK, SMALL

from mtopt_learning.train.config import TrainConfig, UpdaterConfig
from mtopt_learning.train.trainer import Trainer
from mtopt_spec.errors import InputError

BESIDE = UpdaterConfig(kind="process", publish_steps=10, max_staleness_steps=20, queue_batches=2)
DEADLINE_S = 60.0


def trainer_on(toy, **changes):
    trainer = Trainer(TASKS, CAMERAS, dataclasses.replace(QUICK, **changes), SMALL)
    trainer.set_data(toy)
    return trainer


def curve(trainer, steps):
    records = []
    trainer.train(steps, write=records.append, log_every=50)
    trainer.close()
    return np.array([record["loss"] for record in records]), records


def test_learns_as_with_inline_targets(toy):
    fast = {"learning_rate": 1e-3, "polyak": 0.02}
    losses, _ = curve(trainer_on(toy, **fast), 150)
    losses_beside, records = curve(trainer_on(toy, updater=BESIDE, **fast), 150)
    # Two seeds of inline targets differ by about 0.05.
    np.testing.assert_allclose(losses_beside, losses, atol=0.05)
    assert losses_beside[-1] < 0.8 * losses_beside[0]
    # What was learned from was never older than allowed, and not the first weights for ever.
    assert all(0 < record["staleness"] <= 20 for record in records)


def test_batches_labelled_with_old_weights_are_refused_and_counted(toy):
    """Four batches of the first weights wait; the trainer has gone further than they may be old."""
    old = dataclasses.replace(BESIDE, publish_steps=3, max_staleness_steps=3, queue_batches=4)
    trainer = trainer_on(toy, updater=old, batch=16)
    record = trainer.train(steps=1)
    queue = trainer.batches.updater._queue
    deadline = time.monotonic() + DEADLINE_S
    while not queue.full():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    trainer.step = 5
    trainer.batches.weights_moved(6)  # a multiple of 3: published
    record = trainer.train(steps=1)
    trainer.close()
    assert record["stale_batches"] >= 4 and -1 <= record["staleness"] <= 3


def test_closing_ends_the_process_even_with_a_full_queue(toy):
    trainer = trainer_on(toy, updater=BESIDE, batch=16)
    trainer.train(steps=1)
    pid = trainer.batches.updater.pid
    assert running(pid)
    trainer.close()
    assert not running(pid)
    assert trainer.train(steps=1)["step"] == 2  # and it starts anew
    trainer.set_data(toy)  # which ends it, too
    assert trainer.batches.updater is None


def test_an_updater_that_fails_or_dies_ends_the_training(toy):
    trainer = trainer_on(toy, updater=BESIDE, batch=16)
    trainer.train(steps=1)
    os.kill(trainer.batches.updater.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="died"):
        trainer.train(steps=50)
    trainer.close()
    broken = dataclasses.replace(toy, images={c: rows[:10] for c, rows in toy.images.items()})
    trainer = trainer_on(broken, updater=BESIDE)
    with pytest.raises(RuntimeError, match="IndexError"):
        trainer.train(steps=1)
    trainer.close()


KILLED = """
import sys
sys.path.insert(0, {tests!r})
def main():
    from reach_world import collect
    from test_bellman_updater import BESIDE, trainer_on
    trainer = trainer_on(collect(50), updater=BESIDE, batch=8)
    trainer.train(steps=1)
    print(trainer.batches.updater.pid, flush=True)
    trainer.train(seconds=600)
if __name__ == "__main__":
    main()
"""


def test_no_process_is_left_when_the_trainer_is_killed(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(KILLED.format(tests=str(Path(__file__).parent)))
    trainer = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    pid = int(trainer.stdout.readline())
    assert running(pid)
    trainer.kill()
    trainer.wait()
    deadline = time.monotonic() + DEADLINE_S
    while running(pid):
        assert time.monotonic() < deadline, "the updater outlived its trainer"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_ages_that_no_batch_could_have_are_refused():
    with pytest.raises(InputError, match="publish_steps"):
        UpdaterConfig(publish_steps=30, max_staleness_steps=20)
    with pytest.raises(InputError, match="kind.*'beside'"):
        TrainConfig(updater=UpdaterConfig(kind="beside"))
