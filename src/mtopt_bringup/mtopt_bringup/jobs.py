"""Work in processes side by side; where one fails the others go on."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mtopt_spec.errors import InputError

_LOG = logging.getLogger("mtopt.jobs")
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """One process.

    Attributes:
        name: Of its stage.
        size: Units of work in it, for the progress bar.
        work: Importable function of `arguments` and a function that takes the units done so far.
        arguments: Of `work`; they can be pickled.
    """

    name: str
    size: int
    work: Callable[..., dict]
    arguments: tuple


def run_jobs(
    jobs: Sequence[Job],
    processes: int,
    unit: str,
    logs: Path,
    done: Callable[[str, dict, float], None],
    deadline_s: float | None = None,
) -> dict[str, str]:
    """Runs jobs, so many at a time, under one progress bar.

    Args:
        jobs: What to do.
        processes: At a time.
        unit: Of their sizes.
        logs: Folder for what they write: `<name>.log`.
        done: Called with each job's name, result and seconds, as soon as it is done.
        deadline_s: Of `time.monotonic`; what is not done then is ended.

    Returns:
        Job to error, of those that failed.

    Raises:
        InputError: No process at a time.
        TimeoutError: The deadline is over.
        KeyboardInterrupt: Interrupted. In either case the processes are gone.
    """
    if processes < 1:
        raise InputError("processes", where="jobs", got=processes, expected="1 or more")
    waiting, running, errors = list(jobs), [], {}
    logs.mkdir(parents=True, exist_ok=True)
    try:
        with tqdm(total=sum(job.size for job in jobs), unit=unit, mininterval=1.0) as bar:
            while waiting or running:
                while waiting and len(running) < processes:
                    running.append(_Running(waiting.pop(0), logs))
                left_s = 5.0 if deadline_s is None else min(5.0, deadline_s - time.monotonic())
                if left_s <= 0:
                    raise TimeoutError("the time is over; call again to go on")
                ready = multiprocessing.connection.wait([one.events for one in running], left_s)
                for one in [one for one in running if one.events in ready]:
                    before = one.units
                    finished = one.read()
                    bar.update(one.units - before)
                    if finished:
                        running.remove(one)
                        if one.error:
                            _LOG.error("%s failed: %s; see %s", one.job.name, one.error, one.log)
                            errors[one.job.name] = one.error
                        else:
                            done(one.job.name, one.result, one.seconds)
    finally:
        for one in running:
            one.end()
    return errors


class _Running:
    """A job's process."""

    def __init__(self, job: Job, logs: Path):
        context = multiprocessing.get_context("spawn")
        self.job, self.units, self.error, self.result = job, 0, "", {}
        self.log = logs / f"{job.name}.log"
        self.seconds, self._began_s = 0.0, time.monotonic()
        self.events, other = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve, args=(other, self.log, job.work, job.arguments), daemon=True
        )
        self._process.start()
        other.close()

    def read(self) -> bool:
        """Takes what was sent; True at the end."""
        try:
            kind, value = self.events.recv()
        except (EOFError, OSError):  # it died; OSError: in the middle of a message
            self._process.join()
            self.error = f"ended with exit code {self._process.exitcode}"
            return True
        if kind == "units":
            self.units = value
            return False
        if kind == "error":
            self.error = value
        else:
            self.result, self.units = value, self.job.size
        self.seconds = time.monotonic() - self._began_s
        self._process.join()
        return True

    def end(self) -> None:
        self._process.terminate()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(events, log: Path, work: Callable[..., dict], arguments: tuple) -> None:
    """The process: works, tells how far it is, ends when nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    logging.basicConfig(
        filename=log, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", force=True
    )
    logging.getLogger("OpenGL").setLevel(logging.WARNING)
    told_s = 0.0

    def progress(units: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s > 0.5:
            told_s = time.monotonic()
            events.send(("units", units))

    try:
        result = work(*arguments, progress)
        events.send(("result", result))
    except BrokenPipeError:
        return
    except Exception as error:
        logging.getLogger("mtopt.jobs").exception("failed")
        events.send(("error", f"{type(error).__name__}: {error}"))
