"""`mtopt doctor --robot` where there is no robot; docs/hardware.md's test has one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def doctor(folder: Path, *arguments: str, answer: str = "") -> tuple[int, dict, str]:
    """Exit code, the written file (its checks by name) and standard error."""
    out = folder / "doctor.json"
    out.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "mtopt_bringup.main", "doctor", *arguments, "--out", str(out)],
        input=answer, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    result = json.loads(out.read_text()) if out.exists() else {"checks": []}
    return done.returncode, {c["name"]: c for c in result["checks"]}, done.stderr


def test_without_a_robot_only_the_folder_is_checked(tmp_path, domain_id):
    code, checks, told = doctor(tmp_path, "--robot", "panda", "--offline")
    assert code == 0 and checks["reachability"]["state"] == "ok"
    assert checks["joint states"]["state"] == checks["motion"]["state"] == "not done"
    code, checks, told = doctor(tmp_path, "--robot", "panda", "--wait", "1")
    assert code == 1 and checks["joint states"]["state"] == "FAIL"
    assert "ROS_DOMAIN_ID" in told and checks["shoulder quality"]["state"] == "not done"
    code, _, told = doctor(tmp_path, "--robot", "no_such_robot", "--offline")
    assert code == 2 and "'iiwa14', 'panda', 'ur5e'" in told
