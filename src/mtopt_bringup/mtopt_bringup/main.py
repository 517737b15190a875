"""The `mtopt` command: finds the subcommand's module, runs it, prints its result."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from mtopt_bringup.result_text import as_json, as_text
from mtopt_spec.errors import InputError

COMMANDS = {
    "demo": "the whole way once: collect, train, drive the cell, report",
    "doctor": "check this machine",
    "cell": "run the cell of robots as a ROS graph and record bags",
    "collect": "collect episodes in-process, without messages",
    "bags": "check and view bags",
    "dataset": "build the training cache from bags",
    "success": "train and test the success detector",
    "label": "judge every episode for every task with the detector",
    "train": "train the multi-task Q-function",
    "eval": "measure each task's success rate in fresh scenes",
    "goals": "make goal pictures, measure who reaches them",
    "report": "write one HTML page about bags, training and evaluation",
    "reference": "write down every topic, service, action and parameter",
    "benchmark": "measure speed, or repeat the experiments of the papers",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand; 0 only when it is done, 130 when interrupted.

    2 for bad input, and where a file or the disk fails.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="mtopt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A cell of robot arms that teaches itself many tasks.",
        epilog="commands:\n" + "\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items()),
    )
    parser.add_argument("--version", action="store_true", help="print it, and the commit")
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="see below")
    if not argv or argv[0] in ("-h", "--help"):
        parser.print_help(sys.stderr if not argv else sys.stdout)
        return 0 if argv else 2
    if argv[0] == "--version":
        from mtopt_learning.checkpoint.folder import code_version

        sys.stdout.write(" ".join(["mtopt", *filter(None, code_version().values())]) + "\n")
        return 0
    name = parser.parse_args(argv[:1]).command
    module = importlib.import_module(f"mtopt_bringup.commands.{name}")
    sub = argparse.ArgumentParser(
        prog=f"mtopt {name}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=module.SUMMARY,
        epilog=f"example:\n  {module.EXAMPLE}",
    )
    module.add_arguments(sub)
    sub.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = sub.parse_args(argv[1:])
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s"
    )
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it reports what it can do without
    try:
        result = module.run(arguments)
    except InputError as error:
        sys.stderr.write(f"mtopt {name}: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"mtopt {name}: {_failure(error, getattr(arguments, 'out', None))}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"mtopt {name}: interrupted\n")
        return 130
    text = as_json if arguments.json else getattr(module, "text", as_text)
    sys.stdout.write(text(result).encode(errors="backslashreplace").decode())
    sys.stdout.flush()
    return int(result.get("exit_code", 0)) if isinstance(result, dict) else 0


def _failure(error: OSError, out: Path | None) -> str:
    """Which file, and why; a full disk may not say which: then where the command writes."""
    if error.strerror is None:
        return str(error) or type(error).__name__
    files = [error.filename, error.filename2]
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        files[0] = files[0] or out
    return ": ".join([*(str(file) for file in files if file), error.strerror])


if __name__ == "__main__":
    sys.exit(main())
