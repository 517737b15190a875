"""`./mtopt` from any folder, with nothing sourced; one line where it is not set up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BARE = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}


def run(*command, cwd, env=BARE):
    """Runs a command in a bare environment."""
    words = [str(part) for part in command]
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def test_help_from_another_folder(tmp_path):
    done = run(ROOT / "mtopt", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "usage: mtopt" in done.stdout
    told = run(ROOT / "mtopt", "--version", cwd=tmp_path).stdout.split()
    assert told[0] == "mtopt" and len(told) > 1


def test_through_a_link_and_beside_a_foreign_ros(tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "mtopt")
    foreign = {**BARE, "PYTHONPATH": "/nowhere", "AMENT_PREFIX_PATH": "/nowhere"}
    program = (
        "import os, rclpy, mtopt_spec; from mtopt_msgs.msg import ActionSent; "
        "from mtopt_spec.resources import share_dir; assert (share_dir() / 'worlds').is_dir(); "
        "assert '/nowhere' not in os.environ['PYTHONPATH'] + os.environ['AMENT_PREFIX_PATH']; "
        "print(os.getcwd())"
    )
    done = run(tmp_path / "link", "shell", "--", "python", "-c", program, cwd=tmp_path, env=foreign)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path.resolve()


@pytest.mark.parametrize("reach", ["", "SUBNET"])
def test_the_transport_reads_its_profile(tmp_path, domain_id, reach):
    """Without it every third pair of processes takes one to three seconds to find each other.

    And a process that is killed while it holds a lock in shared memory stops others.
    """
    port = 7400 + 250 * domain_id + 10
    program = (
        "import rclpy, os; rclpy.init(); node = rclpy.create_node('peer'); "
        "maps = open('/proc/self/maps').read(); sockets = open('/proc/net/udp').read(); "
        "print(os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'], '/dev/shm/fastrtps' in maps, "
        f"':{port:04X} ' in sockets, '0100007F:{port:04X} ' in sockets)"
    )
    command = [ROOT / "mtopt", "shell", "python", "-c", program]
    env = {**BARE, "ROS_DOMAIN_ID": str(domain_id), "ROS_AUTOMATIC_DISCOVERY_RANGE": reach}
    done = run(*command, cwd=tmp_path, env=env)
    assert done.returncode == 0 and "XML" not in done.stderr
    profile, shared_memory, there, this_machine_only = done.stdout.split()
    name = "fastdds.xml" if reach else "fastdds_localhost.xml"
    assert Path(profile) == ROOT / "params" / name
    assert (shared_memory, there) == ("False", "True")
    assert this_machine_only == str(not reach)
    broken = tmp_path / "broken.xml"
    broken.write_text("<dds><profiles>")
    spoilt = {**env, "FASTRTPS_DEFAULT_PROFILES_FILE": str(broken)}
    assert "XML" in run(*command, cwd=tmp_path, env=spoilt).stdout, "the profile is not read"


def test_the_profiles_differ_by_the_interface_alone():
    everywhere, here = (
        (ROOT / "params" / name).read_text() for name in ("fastdds.xml", "fastdds_localhost.xml")
    )
    assert re.sub(r"\s*<interfaceWhiteList>.*</interfaceWhiteList>", "", here, flags=re.S) == (
        everywhere
    )


@pytest.mark.parametrize("leftover", ["nothing", "interrupted"])
def test_not_set_up_is_one_line_and_exit_code_2(tmp_path, leftover):
    shutil.copy(ROOT / "mtopt", tmp_path / "mtopt")
    if leftover == "interrupted":
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
    done = run(tmp_path / "mtopt", "doctor", cwd="/")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"mtopt: not set up yet; run: make -C {tmp_path} setup\n"
