"""Makes the ROS wheels' CMake files fit this virtual environment.

The wheels were built elsewhere and their CMake files and package index name the build machine's
Python (`/opt/python/cp311-cp311`). CMake stops at such a path; it is replaced by the environment's
own prefix, Python's include folder and NumPy's. Running it twice changes nothing.

Usage: python scripts/relocate_wheels.py   (with the environment's Python; standard library only)
"""

import os
import re
import sys
import sysconfig
from pathlib import Path

BUILD_INCLUDE = re.compile(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+")
BUILD_SITE = re.compile(r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages")
BUILD_PREFIX = re.compile(r"/opt/python/cp\d+-cp\d+")


def relocated(text: str, prefix: str, include: str, site: str) -> str:
    """Returns `text` with the build machine's paths replaced, the most specific first."""
    text = BUILD_INCLUDE.sub(lambda _: include, text)
    text = BUILD_SITE.sub(lambda _: site, text)
    return BUILD_PREFIX.sub(lambda _: prefix, text)


def relocate_tree(folder: Path, prefix: str, include: str, site: str) -> int:
    """Rewrites the text files under `folder`; returns how many changed."""
    changed = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if b"/opt/python/cp" not in data or b"\0" in data:
            continue
        text = relocated(data.decode("utf-8"), prefix, include, site)
        aside = path.with_name(path.name + ".partial")
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
        changed += 1
    return changed


def main() -> int:
    """Relocates the wheels of the environment whose Python runs this; returns the exit code."""
    prefix = Path(sys.prefix)
    if sys.prefix == sys.base_prefix:
        sys.stderr.write(
            f"relocate_wheels: run it with the virtual environment's Python, got {sys.executable}\n"
        )
        return 2
    paths = sysconfig.get_paths()
    changed = relocate_tree(prefix / "share", str(prefix), paths["include"], paths["purelib"])
    sys.stderr.write(f"relocated {changed} files of the ROS wheels\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
