"""The build machine's paths in the ROS wheels are replaced, once and only there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "relocate_wheels", ROOT / "scripts" / "relocate_wheels.py"
)
relocate_wheels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(relocate_wheels)

WHEEL_CMAKE = (
    'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/cp312-cp312/include/python3.12;'
    '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include"\n'
    'set(prefix "/opt/python/cp312-cp312")\n'
)


def test_paths_are_replaced_most_specific_first(tmp_path):
    (tmp_path / "cmake").mkdir()
    file = tmp_path / "cmake" / "Export.cmake"
    file.write_text(WHEEL_CMAKE)
    (tmp_path / "binary.so").write_bytes(b"\0/opt/python/cp312-cp312\0")

    changed = relocate_wheels.relocate_tree(tmp_path, "/venv", "/py/include", "/venv/site")

    assert changed == 1
    assert file.read_text() == (
        'INTERFACE_INCLUDE_DIRECTORIES "/py/include;/venv/site/numpy/_core/include"\n'
        'set(prefix "/venv")\n'
    )
    assert (tmp_path / "binary.so").read_bytes() == b"\0/opt/python/cp312-cp312\0"
    assert relocate_wheels.relocate_tree(tmp_path, "/venv", "/py/include", "/venv/site") == 0
