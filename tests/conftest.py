"""Every test process, and every node test, in a ROS domain that nothing else on the machine has."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

# Beyond 101 the discovery ports reach into the range that Linux hands out to any program.
DOMAIN_IDS = range(1, 102)
_reservations = itertools.count()


def _lock(domain_id: int) -> IO[str] | None:
    """The locked file that stands for a domain id, or None where another process holds it."""
    path = Path(tempfile.gettempdir()) / f"mtopt_test_domain_{domain_id}.lock"
    try:
        file = open(path, "a", encoding="ascii")
    except PermissionError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextlib.contextmanager
def reserved_domain_id() -> Iterator[int]:
    """A domain id that no other test process holds, kept by a locked file while in use.

    Not the one before: what a test leaves behind is announced there for some seconds more.
    """
    first = os.getpid() + next(_reservations)
    for offset in range(len(DOMAIN_IDS)):
        domain_id = DOMAIN_IDS[(first + offset) % len(DOMAIN_IDS)]
        lock = _lock(domain_id)
        if lock is not None:
            with lock:
                yield domain_id
            return
    raise RuntimeError(f"all of the ROS domains {DOMAIN_IDS} are in use by other tests")


@pytest.fixture(scope="session", autouse=True)
def process_domain_id() -> Iterator[int]:
    """The domain of this test process and of what it starts, unless a test asks for its own."""
    with reserved_domain_id() as domain_id:
        before = os.environ.get("ROS_DOMAIN_ID")
        os.environ["ROS_DOMAIN_ID"] = str(domain_id)
        yield domain_id
        if before is None:
            del os.environ["ROS_DOMAIN_ID"]
        else:
            os.environ["ROS_DOMAIN_ID"] = before


@pytest.fixture
def domain_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A fresh domain for one test, also in the environment: `Context().init(domain_id=...)`."""
    with reserved_domain_id() as own:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(own))
        yield own
