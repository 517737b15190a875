"""A long experiment: stages in turn or side by side, ended by a deadline and gone on with later."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mtopt_bringup.jobs import Job, run_jobs
from mtopt_bringup.stages import Stages
from mtopt_spec.errors import InputError

_LOG = logging.getLogger("mtopt.stages")


class StagedRun:
    """Runs what is not done yet.

    Args:
        out: Folder of everything.
        settings: Of `Stages`.
        minutes: Stop after about so long; what is done stays. None: no limit.
        processes: Jobs side by side; 0: as many as there are cores for their threads.
        threads: Of a job; 0: one.

    Attributes:
        stages: Those of the folder.
        errors: Stage to text, of those that failed in this call.

    Raises:
        InputError: The folder is of other settings.
    """

    def __init__(
        self,
        out: Path,
        settings: dict,
        minutes: float | None,
        processes: int = 0,
        threads: int = 1,
    ):
        self.out = out
        self.stages = Stages(out, settings)
        self.errors: dict[str, str] = {}
        self._deadline_s = None if minutes is None else time.monotonic() + 60 * minutes
        self._processes = processes or max(len(os.sched_getaffinity(0)) // max(threads, 1), 1)

    def in_turn(self, work: Mapping[str, Callable[[], None]], parts: Sequence[str]) -> bool:
        """Runs these parts in the order of `work`; False where the time was over before the end."""
        try:
            for part, do in work.items():
                if part in parts:
                    do()
        except TimeoutError as error:
            _LOG.warning("%s", error)
            return False
        return True

    def one(self, name: str, work: Callable[[], dict]) -> dict:
        """A stage's result; `TimeoutError` where the time is over before it begins."""
        if not self.stages.has(name):
            self.go_on()
        return self.stages.run(name, work)

    def side_by_side(self, jobs: Sequence[Job], unit: str) -> None:
        """Runs the jobs whose stages are not done; see `run_jobs`."""
        left = [job for job in jobs if not self.stages.has(job.name)]
        if not left:
            return
        with self.stages.alone():
            failed = run_jobs(
                left, self._processes, unit, self.out / "logs", self.stages.keep, self._deadline_s
            )
        self.errors.update(failed)

    def need(self, stage: str, part: str) -> None:
        """Raises `InputError` unless the stage, one of `part`, is done."""
        if not self.stages.has(stage):
            raise InputError(
                f"stage {stage}", where=self.out, got="not done", expected="its result",
                todo=f"run the part `{part}` first",
            )  # fmt: skip

    def go_on(self) -> None:
        """Raises `TimeoutError` where the time is over."""
        if self._deadline_s is not None and time.monotonic() > self._deadline_s:
            raise TimeoutError("the time is over; call again to go on")
