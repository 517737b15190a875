"""Jobs side by side: one that fails, dies or is late takes no other with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import job_work
import pytest

from mtopt_bringup.jobs import Job, run_jobs
from mtopt_spec.errors import InputError

WAIT_S = 60


def gone(pid: int) -> bool:
    """Whether a process ended; one that nobody has waited for yet is no longer at work."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(holds) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


def test_one_fails_one_dies_the_others_give_their_results(tmp_path, capfd):
    jobs = [
        Job("fails", 3, job_work.fail, ("no data",)),
        Job("first", 3, job_work.give, (1,)),
        Job("dies", 3, job_work.die, ()),
        Job("second", 3, job_work.give, (2,)),
    ]
    done = {}

    def keep(name, result, seconds):
        done[name] = result
        assert 0 < seconds < WAIT_S

    errors = run_jobs(jobs, 2, "step", tmp_path / "logs", keep)
    assert errors == {"fails": "ValueError: no data", "dies": "ended with exit code -9"}
    assert {name: result["value"] for name, result in done.items()} == {"first": 1, "second": 2}
    assert all(gone(result["pid"]) for result in done.values())
    assert "gives 1" in (tmp_path / "logs" / "first.log").read_text()
    log = (tmp_path / "logs" / "fails.log").read_text()
    assert "Traceback" in log and "no data" in log
    # Both that gave a result are full, though they told of less; the one that died had told of 1.
    assert "7/12" in capfd.readouterr().err


@pytest.mark.parametrize("processes", [0, -1])
def test_jobs_without_a_process_are_refused(tmp_path, processes):
    jobs = [Job("first", 3, job_work.give, (1,))]
    with pytest.raises(InputError, match=f"processes .*got {processes}, expected 1 or more"):
        run_jobs(jobs, processes, "step", tmp_path, pytest.fail, time.monotonic() + 1)


def test_nothing_to_do_is_no_error(tmp_path):
    assert run_jobs([], 2, "step", tmp_path, pytest.fail, deadline_s=0.0) == {}


def test_what_is_late_is_ended_and_waiting_jobs_do_not_begin(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    jobs = [Job(path.name, 10, job_work.work_on, (str(path),)) for path in (first, second)]
    with pytest.raises(TimeoutError, match="call again to go on"):
        run_jobs(jobs, 1, "step", tmp_path, pytest.fail, time.monotonic() + 6)
    assert gone(int(first.read_text()))
    assert not second.exists()


def test_what_raises_in_between_leaves_no_process(tmp_path):
    jobs = [
        Job("works", 10, job_work.work_on, (str(tmp_path / "works"),)),
        Job("gives", 3, job_work.give, (1,)),
    ]

    def full(name, result, seconds):
        wait_until(lambda: (tmp_path / "works").exists() and (tmp_path / "works").read_text())
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        run_jobs(jobs, 2, "step", tmp_path, full)
    assert gone(int((tmp_path / "works").read_text()))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_who_started_it(tmp_path, how):
    paths = [tmp_path / "a", tmp_path / "b"]
    parent = subprocess.Popen(
        [sys.executable, job_work.__file__, tmp_path, *paths], stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        wait_until(lambda: all(path.exists() and path.read_text() for path in paths))
        parent.send_signal(how)
        err = parent.communicate(timeout=WAIT_S)[1]
    finally:
        parent.kill()
    assert how == signal.SIGKILL or b"KeyboardInterrupt" in err
    for path in paths:
        wait_until(lambda path=path: gone(int(path.read_text())))
