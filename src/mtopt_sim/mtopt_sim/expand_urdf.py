"""Expands the robot's xacro into the URDF beside it.

`python -m mtopt_sim.expand_urdf worlds/models/iiwa14_gripper/iiwa14_gripper.urdf.xacro`
"""

from __future__ import annotations

import sys
from pathlib import Path

from mtopt_spec.whole_file import write_aside


def expand(xacro_file: Path) -> str:
    """The URDF text of a xacro file, without xacro's banner (it holds the machine's path)."""
    import xacro  # a tool of development: the simulator itself reads the expanded file

    text = xacro.process_file(str(xacro_file)).toprettyxml(indent="  ", encoding="utf-8").decode()
    lines = text.splitlines()
    kept = [row for row in lines if not row.startswith(("<!-- |", "<!-- =")) and row.strip()]
    kept.insert(1, f"<!-- Expanded from {xacro_file.name}; change that file, not this one. -->")
    return "\n".join(kept) + "\n"


def main() -> int:
    """Writes the URDF beside each xacro file that is named."""
    for name in sys.argv[1:]:
        source = Path(name)
        write_aside(source.with_suffix(""), expand(source).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
