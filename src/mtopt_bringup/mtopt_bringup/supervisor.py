"""Processes that belong together: started, watched, restarted and ended as one. No ROS here."""

from __future__ import annotations

import ctypes
import enum
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtopt_bringup.interrupts import ctrl_c_noted

MAX_RESTARTS = 5
"""Of one process; what ends once more ends the cell."""
_LOG = logging.getLogger("mtopt.cell")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Role(enum.Enum):
    """What the end of a process means for the others.

    Attributes:
        WORKER: Its exit 0 is its work done; any other end starts it anew.
        SERVER: Runs as long as the workers do; any end starts it anew.
        ESSENTIAL: Without it there is no cell: any end stops everything.
    """

    WORKER = "worker"
    SERVER = "server"
    ESSENTIAL = "essential"


@dataclass(frozen=True)
class ProcessSpec:
    """One process.

    Attributes:
        name: Also of its log file.
        argv: Program and arguments.
        role: What its end means.
        stop_order: Lower ones are ended first; those of one order together.
        restart_arguments: Added when it is started again; `{restart}` is how often it was.
    """

    name: str
    argv: tuple[str, ...]
    role: Role
    stop_order: int = 0
    restart_arguments: tuple[str, ...] = ()


@dataclass
class _Running:
    spec: ProcessSpec
    process: subprocess.Popen | None = None
    restarts: int = 0
    start_again_s: float = 0.0
    done: bool = False
    log: object = field(default=None, repr=False)


class Supervisor:
    """Runs processes until all workers are done or an essential one ends.

    Every process leads a process group of its own, so that Ctrl-C reaches only the supervisor,
    which ends the others in order; the kernel ends them if the supervisor itself is killed.

    Args:
        specs: The processes, in the order of their start.
        log_folder: Gets one log file a process.
        environment: Variables added to this process's own.
        max_restarts: Of one process; after that the supervisor gives up.
        patience_s: Between SIGINT and SIGTERM, and between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        log_folder: Path,
        environment: Mapping[str, str] | None = None,
        max_restarts: int = MAX_RESTARTS,
        patience_s: float = 8.0,
    ):
        self._running = {spec.name: _Running(spec) for spec in specs}
        self._log_folder = Path(log_folder)
        self._environment = {**os.environ, **(environment or {})}
        self._max_restarts = max_restarts
        self._patience_s = patience_s
        self.failure = ""

    def __enter__(self) -> Supervisor:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        try:
            for running in self._running.values():
                self._start(running)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def pid(self, name: str) -> int | None:
        """Process id of a running process; None while it does not run."""
        process = self._running[name].process
        return process.pid if process is not None and process.poll() is None else None

    def restarts(self, name: str) -> int:
        """How often a process was started anew."""
        return self._running[name].restarts

    def log_file(self, name: str) -> Path:
        """Where a process's output goes."""
        return self._log_folder / f"{name}.log"

    def poll(self) -> bool:
        """Restarts what must run; False when there is nothing more to do, see `failure`.

        Call it several times a second.
        """
        for name, running in self._running.items():
            if running.process is None:
                if not running.done and time.monotonic() >= running.start_again_s:
                    self._start(running)
                continue
            code = running.process.poll()
            if code is not None:
                running.process = None
                self._ended(name, running, code)
        if self.failure:
            return False
        workers = [r for r in self._running.values() if r.spec.role is Role.WORKER]
        return not workers or not all(r.done for r in workers)

    def _ended(self, name: str, running: _Running, code: int) -> None:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if running.spec.role is Role.WORKER and code == 0:
            running.done = True
            _LOG.info("%s is done", name)
        elif running.spec.role is Role.ESSENTIAL:
            self.failure = f"{name} ended ({how}): {self._last_line(name)}"
        elif running.restarts >= self._max_restarts:
            self.failure = (
                f"{name} ended ({how}) after {running.restarts} restarts: {self._last_line(name)}"
            )
        else:
            running.start_again_s = time.monotonic() + min(4.0, 0.25 * 2**running.restarts)
            running.restarts += 1
            said = self._last_line(name)
            _LOG.warning("%s ended (%s): starting it again; it said: %s", name, how, said)

    def _last_line(self, name: str) -> str:
        path = self.log_file(name)
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return f"{lines[-1] if lines else 'no output'} (log: {path})"

    def _start(self, running: _Running) -> None:
        running.log = open(self.log_file(running.spec.name), "ab")
        again = running.spec.restart_arguments if running.restarts else ()
        try:
            running.process = subprocess.Popen(
                [*running.spec.argv, *(a.format(restart=running.restarts) for a in again)],
                stdin=subprocess.DEVNULL,
                stdout=running.log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        finally:
            running.log.close()

    def stop(self) -> None:
        """Ends everything, by stop order: SIGINT, then SIGTERM, then SIGKILL.

        Raises:
            KeyboardInterrupt: Ctrl-C meanwhile, which means "hurry": the next signal is sent at
                once. Everything is ended all the same.
        """
        orders = sorted({r.spec.stop_order for r in self._running.values()})
        with ctrl_c_noted(every=True) as noted:
            for order in orders:
                self._stop_group(
                    [
                        r
                        for r in self._running.values()
                        if r.spec.stop_order == order and r.process is not None
                    ],
                    noted,
                )
        if noted:
            raise KeyboardInterrupt

    def _stop_group(self, group: Sequence[_Running], noted: Sequence[int]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            before = len(noted)
            for running in group:
                if running.process.poll() is None:
                    _signal(running.process, number)
            if self._all_ended(group, lambda before=before: len(noted) > before):
                break
        for running in group:
            _signal(running.process, signal.SIGKILL)  # whatever it started itself
            running.process = None

    def _all_ended(self, group: Sequence[_Running], hurried: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + self._patience_s
        while time.monotonic() < deadline_s and not hurried():
            if all(r.process.poll() is not None for r in group):
                return True
            time.sleep(0.02)
        return False


def _die_with_parent() -> None:
    """In the child, before it becomes another program: SIGTERM when the supervisor dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal(process: subprocess.Popen, number: int) -> None:
    """Sends a signal to a process's group, if anything of it is left."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def end_process(process: subprocess.Popen, patience_s: float) -> None:
    """Asks a process to end, and ends it where it does not: rclpy can miss a signal."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
