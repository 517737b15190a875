"""scripts/setup.sh does each step once, goes on after an interruption, and names what it lacks.

The steps that take minutes are played by stand-ins on PATH: a Python that 'installs' and
'builds' by writing down that it was asked to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Plays Python, pip and colcon; a file named fail_pip, fail_colcon or fail_colcon_once breaks one.
STAND_IN_PYTHON = """#!/bin/bash
checkout=$(cat "$(dirname "$0")/../../checkout" 2>/dev/null || cat "$(dirname "$0")/checkout")
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo venv >>"$checkout/calls" ;;
    "-m pip")
        [ "$3" != --version ] || exit 0
        [ ! -e "$checkout/fail_pip" ] || { echo "no such package"; exit 1; }
        echo pip >>"$checkout/calls" ;;
    "-m colcon")
        if [ -e "$checkout/fail_colcon_once" ]; then rm "$checkout/fail_colcon_once"; exit 1; fi
        [ ! -e "$checkout/fail_colcon" ] || { echo "CMake Error: broken"; exit 1; }
        for word in "$@"; do
            case $word in mtopt_*)
                mkdir -p "$checkout/install/share/$word"
                touch "$checkout/install/share/$word/package.xml"
                echo "build $word" >>"$checkout/calls" ;;
            esac
        done ;;
    "--version "*) echo "Python 3.12.0" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what set-up reads, with stand-ins in bin/ for Python and the package manager."""
    for name in ("scripts", "src"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    (tmp_path / "bin").mkdir()
    for folder in (tmp_path, tmp_path / "bin"):
        (folder / "checkout").write_text(str(tmp_path))
    write_program(tmp_path / "bin" / "stand_in_python", STAND_IN_PYTHON)
    write_program(
        tmp_path / "bin" / "dpkg-query",
        '#!/bin/bash\nfor name in "$@"; do echo "ii |$name"; done\n',
    )
    write_program(tmp_path / "bin" / "apt-get", "#!/bin/bash\nexit 1\n")
    return tmp_path


def write_program(path: Path, text: str) -> None:
    """Writes an executable file."""
    path.write_text(text)
    path.chmod(0o755)


def setup(checkout: Path, **extra: str) -> subprocess.CompletedProcess:
    """Runs set-up in the copy, with the stand-ins first on PATH."""
    env = {
        "PATH": f"{checkout / 'bin'}:/usr/bin:/bin",
        "HOME": str(checkout),
        "MTOPT_PYTHON": "stand_in_python",
        **extra,
    }
    return subprocess.run(
        [checkout / "scripts" / "setup.sh"], env=env, capture_output=True, text=True, timeout=60
    )


def calls(checkout: Path) -> list[str]:
    """What was asked of the stand-ins since the last look."""
    path = checkout / "calls"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


ALL_BUILT = [
    f"build mtopt_{name}" for name in ("bringup", "control", "learning", "msgs", "sim", "spec")
]


def test_each_step_once_and_again_only_for_changed_inputs(checkout):
    done = setup(checkout)
    assert done.returncode == 0, done.stderr
    assert calls(checkout) == ["venv", "pip", *ALL_BUILT]

    assert setup(checkout).returncode == 0
    assert calls(checkout) == []

    with open(checkout / "src/mtopt_spec/mtopt_spec/action.py", "a") as source:
        source.write("# edited\n")
    (checkout / "src/mtopt_sim/mtopt_sim/new_module.py").write_text("")
    assert setup(checkout).returncode == 0
    assert calls(checkout) == [], "Python sources are linked, not copied: nothing to build"

    with open(checkout / "src/mtopt_msgs/msg/ActionSent.msg", "a") as source:
        source.write("# edited\n")
    assert setup(checkout).returncode == 0
    assert calls(checkout) == ["build mtopt_msgs"]

    with open(checkout / "src/mtopt_control/setup.py", "a") as declaration:
        declaration.write("# edited\n")
    assert setup(checkout).returncode == 0
    assert calls(checkout) == ["build mtopt_control"]

    with open(checkout / "requirements.lock", "a") as lock:
        lock.write("# edited\n")
    assert setup(checkout).returncode == 0
    assert calls(checkout) == ["pip", *ALL_BUILT]


def test_an_interrupted_setup_goes_on(checkout):
    (checkout / "fail_pip").touch()
    done = setup(checkout)
    assert done.returncode == 1
    assert "no such package" in done.stderr and "pip could not install" in done.stderr
    assert calls(checkout) == ["venv"]
    (checkout / "fail_pip").unlink()

    (checkout / "fail_colcon").touch()
    done = setup(checkout)
    assert done.returncode == 1
    assert "CMake Error: broken" in done.stderr
    assert calls(checkout) == ["pip"], "the environment is kept"
    (checkout / "fail_colcon").unlink()

    (checkout / "build/mtopt_msgs").mkdir(parents=True)
    (checkout / "build/mtopt_msgs/half_written").touch()
    (checkout / "fail_colcon_once").touch()
    assert setup(checkout).returncode == 0
    assert calls(checkout) == ALL_BUILT
    assert not (checkout / "build/mtopt_msgs/half_written").exists()


def test_a_moved_checkout_is_made_anew(checkout):
    assert setup(checkout).returncode == 0
    calls(checkout)
    moved = checkout.parent / (checkout.name + "_moved")
    checkout.rename(moved)
    for folder in (moved, moved / "bin"):
        (folder / "checkout").write_text(str(moved))
    done = setup(moved)
    assert done.returncode == 0, done.stderr
    assert calls(moved) == ["venv", "pip", *ALL_BUILT]


def test_missing_system_packages_are_named_in_one_line(checkout):
    write_program(checkout / "bin" / "dpkg-query", "#!/bin/bash\nexit 1\n")
    write_program(checkout / "bin" / "id", "#!/bin/bash\necho 1000\n")
    write_program(checkout / "bin" / "sudo", "#!/bin/bash\nexit 1\n")
    done = setup(checkout)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "apt-get install" in line
    assert {"cmake", "g++", "libegl1"} <= set(line.split())
    assert calls(checkout) == []


def test_an_unsuitable_python_is_refused(checkout):
    write_program(checkout / "bin" / "old_python", "#!/bin/bash\nexit 1\n")
    done = setup(checkout, MTOPT_PYTHON="old_python")
    assert done.returncode == 1
    assert "MTOPT_PYTHON=old_python is not a Python 3.10 to 3.13" in done.stderr


def test_a_second_call_in_this_checkout_takes_less_than_five_seconds():
    def call() -> subprocess.CompletedProcess:
        return subprocess.run(
            [ROOT / "scripts" / "setup.sh"],
            env={**os.environ, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=170,
        )

    first = call()
    assert first.returncode == 0, first.stderr
    second = call()
    assert second.returncode == 0, second.stderr
    assert "building" not in second.stderr and "installing" not in second.stderr
