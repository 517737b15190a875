"""Processes end and start as their roles say; none is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mtopt_bringup.supervisor import ProcessSpec, Role, Supervisor

FOREVER = "import time\nwhile True: time.sleep(0.05)"


def spec(name, code, role, stop_order=0):
    return ProcessSpec(name, (sys.executable, "-c", code), role, stop_order)


def run(supervisor, until, deadline_s=60.0):
    """Polls until a condition holds; returns what the last poll said."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        going = supervisor.poll()
        if until() or not going:
            return going
        time.sleep(0.02)
    pytest.fail("deadline")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_done_when_all_workers_are(tmp_path):
    specs = [spec("server", FOREVER, Role.SERVER), spec("worker", "", Role.WORKER)]
    with Supervisor(specs, tmp_path) as supervisor:
        pid = supervisor.pid("server")
        assert run(supervisor, lambda: False) is False
        assert supervisor.failure == ""
    assert not alive(pid)


def test_a_killed_worker_is_started_again(tmp_path):
    with Supervisor([spec("worker", FOREVER, Role.WORKER)], tmp_path) as supervisor:
        first = supervisor.pid("worker")
        os.kill(first, signal.SIGKILL)
        run(supervisor, lambda: supervisor.pid("worker") not in (None, first))
        assert supervisor.restarts("worker") == 1


def test_the_end_of_an_essential_process_ends_the_cell_and_says_why(tmp_path):
    specs = [
        spec("simulator", "import sys; sys.exit('no world')", Role.ESSENTIAL),
        spec("robot", FOREVER, Role.WORKER),
    ]
    with Supervisor(specs, tmp_path) as supervisor:
        assert run(supervisor, lambda: False) is False
        assert "simulator" in supervisor.failure and "no world" in supervisor.failure


def test_one_that_cannot_run_is_given_up_and_each_time_its_last_words_are_told(tmp_path, caplog):
    specs = [spec("robot", "raise SystemExit('broken')", Role.WORKER)]
    with Supervisor(specs, tmp_path, max_restarts=1) as supervisor:
        assert run(supervisor, lambda: False) is False
        assert "broken" in supervisor.failure
    assert "starting it again" in caplog.text and "broken" in caplog.text


def test_stops_in_order_and_stubborn_ones_too(tmp_path):
    told = "import signal, sys, time\n" + (
        "def end(*_):\n open({path!r}, 'a').write({name!r}); sys.exit()\n"
        "signal.signal(signal.SIGINT, end)\nprint('up', flush=True)\nwhile True: time.sleep(0.05)"
    )
    order = tmp_path / "order"
    stubborn = (
        "import signal, time\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\n"
        "print('up', flush=True)\n" + FOREVER
    )
    specs = [
        spec("b", told.format(path=str(order), name="b"), Role.SERVER, 2),
        spec("a", told.format(path=str(order), name="a"), Role.SERVER, 1),
        spec("stubborn", stubborn, Role.SERVER, 3),
    ]
    with Supervisor(specs, tmp_path, patience_s=0.3) as supervisor:
        run(supervisor, lambda: all("up" in supervisor.log_file(s.name).read_text() for s in specs))
        pids = [supervisor.pid(s.name) for s in specs]
    assert order.read_text() == "ab"
    assert not any(alive(pid) for pid in pids)


def test_ctrl_c_while_it_stops_hurries_it_and_leaves_nobody_behind(tmp_path):
    impatient = (
        f"import os, signal\ndef again(*_): os.kill({os.getpid()}, signal.SIGINT)\n"
        "for s in (2, 15): signal.signal(s, again)\nprint('up', flush=True)\n" + FOREVER
    )
    specs = [
        spec("stubborn", impatient, Role.SERVER, 1),
        spec("later", "print('up', flush=True)\n" + FOREVER, Role.SERVER, 2),
    ]
    supervisor = Supervisor(specs, tmp_path, patience_s=60.0)
    begun_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt), supervisor:
        run(supervisor, lambda: all("up" in supervisor.log_file(s.name).read_text() for s in specs))
        pids = [supervisor.pid(s.name) for s in specs]
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    assert time.monotonic() - begun_s < 30


def test_no_orphans_when_the_supervisor_is_killed(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from mtopt_bringup.supervisor import *
spec = ProcessSpec("child", (sys.executable, "-c", {FOREVER!r}), Role.SERVER)
with Supervisor([spec], Path({str(tmp_path)!r})) as supervisor:
    print(supervisor.pid("child"), flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)
