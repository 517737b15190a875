"""`mtopt doctor --robot`: from the command's arguments to the checks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mtopt_bringup.doctor.boards import parse_board
from mtopt_bringup.doctor.bring_up import BringUp, bring_up
from mtopt_bringup.doctor.calibrating import calibrate_camera
from mtopt_bringup.stages import write_json
from mtopt_spec.errors import InputError


def check_robot(arguments: argparse.Namespace) -> dict:
    """Checks or calibrates; a table to standard error, a file; exit code 1 where a check failed.

    Raises:
        InputError: An argument or the robot's folder is wrong.
    """
    board = parse_board(arguments.board) if arguments.board else None
    if arguments.calibrate:
        return calibrate_camera(
            arguments.robot, arguments.namespace, arguments.calibrate, board, arguments.out,
            arguments.wait,
        )  # fmt: skip
    asked = BringUp(
        robot=arguments.robot,
        namespace=arguments.namespace,
        seconds=arguments.seconds,
        wait_s=arguments.wait,
        offline=arguments.offline,
        move=arguments.move,
        board=board,
        pose_bin_board=tuple(arguments.board_pose) if arguments.board_pose else None,
    )
    result = bring_up(asked, lambda box: _may_move(box, arguments.yes))
    out = arguments.out or Path(f"doctor_{result['robot']}.json")
    write_json(out, result)
    sys.stderr.write(f"written to {out}\n")
    return {**result, "file": str(out), "exit_code": 0 if result["ok"] else 1}


def _may_move(box: str, yes: bool) -> bool:
    """Shows the box and asks, unless the answer was given before.

    Raises:
        InputError: There is nobody to ask.
    """
    sys.stderr.write(f"{box}\nStand clear, with a hand on the emergency stop.\n")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError(
            "--move", where="mtopt doctor", got="nobody to ask: no terminal", expected="--yes"
        )
    sys.stderr.write("Move? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
