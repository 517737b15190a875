"""The package files say everything that rosdep, colcon and `ros2 run` need to know."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("src/*/package.xml"))

# Python module -> rosdep key, where the two differ.
ROSDEP_KEYS = {
    "cv2": "python3-opencv",
    "gymnasium": "python3-gymnasium-pip",
    "jinja2": "python3-jinja2",
    "markupsafe": "python3-jinja2",
    "matplotlib": "python3-matplotlib",
    "mujoco": "python3-mujoco-pip",
    "numpy": "python3-numpy",
    "psutil": "python3-psutil",
    "rosbags": "python3-rosbags-pip",
    "scipy": "python3-scipy",
    "simplejpeg": "python3-simplejpeg-pip",
    "torch": "python3-pytorch-pip",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
# Modules that rosdep has no key for, and their names on PyPI: the README says to install them.
PIP_ONLY = {
    "av": "av",
    "mcap": "mcap",
    "mcap_ros2": "mcap-ros2-support",
    "pyarrow": "pyarrow",
    "rerun": "rerun-sdk",
    "safetensors": "safetensors",
    "tyro": "tyro",
    "zstandard": "zstandard",
}
# Modules of peers that run in an environment of their own, pinned in paper/peers.txt.
PEERS = {"d3rlpy"}


def imported_modules(package: Path, but: tuple[str, str] = ("", "")) -> dict[str, str]:
    """Top-level module -> a file of the package that imports it; the package itself left out.

    Files whose name has the ending or the beginning of `but` are left out.
    """
    found = {}
    for path in sorted((package / package.name).rglob("*.py")):
        if any(but) and (path.name.endswith(but[0]) or path.name.startswith(but[1])):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                found.setdefault(name.split(".")[0], str(path.relative_to(ROOT)))
    return {
        name: path
        for name, path in found.items()
        if name != package.name and name not in sys.stdlib_module_names
    }


def declared(package: Path) -> set[str]:
    """Everything that the package's package.xml depends on at run time."""
    manifest = ElementTree.parse(package / "package.xml").getroot()
    return {
        element.text.strip()
        for element in manifest
        if element.tag in ("depend", "exec_depend") and element.text
    }


def test_there_are_six_packages():
    names = [package.name for package in PACKAGES]
    assert names == [
        f"mtopt_{name}" for name in ("bringup", "control", "learning", "msgs", "sim", "spec")
    ]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_manifest_is_complete(package):
    manifest = ElementTree.parse(package / "package.xml").getroot()
    assert manifest.get("format") == "3"
    assert manifest.findtext("name") == package.name
    assert manifest.findtext("license") == "Apache-2.0"
    assert manifest.find("maintainer").get("email").endswith("@example.org")
    build_type = manifest.findtext("export/build_type")
    builds_with = {"ament_cmake": "CMakeLists.txt", "ament_python": "setup.py"}
    assert (package / builds_with[build_type]).is_file()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_manifest_names_every_import(package):
    known = declared(package)
    missing = [
        f"{ROSDEP_KEYS.get(module, module)} (imported in {path})"
        for module, path in imported_modules(package).items()
        if module not in {*PIP_ONLY, *PEERS} and ROSDEP_KEYS.get(module, module) not in known
    ]
    assert missing == [], f"src/{package.name}/package.xml lacks <exec_depend> for these"


def test_every_pip_only_import_is_required():
    required = {
        re.split(r"[=<>]", line)[0].strip()
        for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    assert set(PIP_ONLY.values()) <= required


def test_every_peer_is_pinned_in_its_own_environment():
    pins = (ROOT / "src/mtopt_bringup/mtopt_bringup/paper/peers.txt").read_text(encoding="utf-8")
    assert PEERS <= set(re.findall(r"^(\w+)==", pins, re.MULTILINE))


def test_control_and_learning_do_not_import_each_other():
    by_name = {package.name: imported_modules(package) for package in PACKAGES}
    assert "mtopt_learning" not in by_name["mtopt_control"]
    assert "mtopt_control" not in by_name["mtopt_learning"]
    assert not {"mtopt_control", "mtopt_learning"} & set(by_name["mtopt_sim"])
    assert not {"torch", "mujoco"} & set(by_name["mtopt_spec"])


def test_ros_is_imported_by_nodes_and_ros_files_alone():
    for package in PACKAGES:
        if package.name in ("mtopt_spec", "mtopt_control", "mtopt_learning"):
            path = imported_modules(package, ("_node.py", "ros_")).get("rclpy")
            assert path is None, f"{path} imports rclpy"


def test_every_interface_is_built():
    folder = ROOT / "src" / "mtopt_msgs"
    listed = re.findall(
        r"^\s+((?:msg|srv|action)/\w+\.\w+)$",
        (folder / "CMakeLists.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    there = [
        str(path.relative_to(folder))
        for kind in ("msg", "srv", "action")
        for path in folder.glob(f"{kind}/*.{kind}")
    ]
    assert sorted(listed) == sorted(there)


def console_scripts(package: Path) -> dict[str, str]:
    """Executable -> module, as setup.py declares them."""
    text = (package / "setup.py").read_text(encoding="utf-8")
    return dict(re.findall(r'"(\w+) = ([\w.]+):main"', text))


@pytest.mark.parametrize(
    "package",
    [package for package in PACKAGES if (package / "setup.py").is_file()],
    ids=lambda path: path.name,
)
def test_every_node_is_an_executable_named_as_its_file(package):
    scripts = console_scripts(package)
    nodes = {
        path.stem: ".".join(path.relative_to(package).with_suffix("").parts)
        for path in (package / package.name).rglob("*_node.py")
    }
    assert scripts == nodes
    for module in scripts.values():
        tree = ast.parse((package / Path(*module.split("."))).with_suffix(".py").read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert "main" in functions, f"{module} has no main()"


def test_no_tracked_file_names_a_place_on_one_machine():
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    places = re.compile(r"(?<![\w.$}])/(?:" + "|".join(("home", "root", "work", "Users")) + r")/\w")
    found = []
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if not path.is_file() or b"\0" in (data := path.read_bytes()):
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
            if places.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []
