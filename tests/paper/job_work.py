"""What the jobs of test_jobs.py do; imported by their processes."""

import logging
import os
import signal
import sys
import time
from pathlib import Path

from mtopt_bringup.jobs import Job, run_jobs


def give(value, progress):
    logging.getLogger("mtopt.paper").info("gives %s", value)
    for units in (1, 2, 3):
        progress(units)
    return {"value": value, "pid": os.getpid()}


def fail(text, progress):
    raise ValueError(text)


def die(progress):
    progress(1)
    os.kill(os.getpid(), signal.SIGKILL)


def work_on(pid_file, progress):
    """Never ends by itself."""
    Path(pid_file).write_text(str(os.getpid()))
    for units in range(10**9):
        progress(units)
        time.sleep(0.05)


if __name__ == "__main__":
    jobs = [Job(path, 10, work_on, (path,)) for path in sys.argv[2:]]
    run_jobs(jobs, len(jobs), "step", Path(sys.argv[1]), print)
