"""`mtopt goals`: goal pictures, shown in the simulator or taken from bags, and who reaches them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_float, nonnegative_int, positive_int

SUMMARY = (
    "Show goals in the simulator or take them from bags; measure who reaches them "
    "(Actionable Models, arXiv 2104.07749)."
)
EXAMPLE = (
    "mtopt goals demonstrate --out goals/ --kinds grasp place rearrange --episodes 100 --seed 7\n"
    "  mtopt goals reach goals/ --checkpoint run/checkpoint --out reached/ --json"
)
PAGE = "goals.html"
_SHEET_GOALS = 12
_DEMONSTRATE = "mtopt goals demonstrate --out goals/ --kinds grasp --episodes 100 --seed 7 --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subparser an action."""
    from mtopt_spec.goal import KINDS

    actions = parser.add_subparsers(
        dest="action", required=True, metavar="demonstrate|from-bags|from-camera|show|reach|send"
    )
    demonstrate = _action(
        actions, "demonstrate", "let scripts show goals in fresh scenes, the truth says what",
        _DEMONSTRATE,
    )  # fmt: skip
    demonstrate.add_argument("--out", type=Path, required=True, help="folder of the goals")
    demonstrate.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND",
        help=f"of {', '.join(KINDS)} (default: all)",
    )  # fmt: skip
    demonstrate.add_argument(
        "--episodes", type=positive_int, default=100, help="goals of each kind (default 100)"
    )
    demonstrate.add_argument(
        "--seed", type=nonnegative_int, default=0, help="of the scenes (default 0)"
    )
    demonstrate.add_argument(
        "--world", type=Path, metavar="SDF",
        help="default: worlds/bin_cell.sdf; worlds/unseen_cell.sdf has other objects",
    )  # fmt: skip
    demonstrate.add_argument(
        "--tasks-file", type=Path, metavar="YAML", help="default: params/tasks.yaml"
    )
    demonstrate.add_argument(
        "--processes", type=nonnegative_int, default=0, help="0: one a core (default)"
    )
    bags = _action(
        actions, "from-bags", "take first and last pictures of recorded episodes as goals",
        "mtopt goals from-bags held_out_bags/ --every 10 --out goals/",
    )  # fmt: skip
    bags.add_argument("folders", nargs="+", type=Path, metavar="BAGS", help="bags, or folders of")
    bags.add_argument("--out", type=Path, required=True, help="folder of the goals")
    _add_cameras(bags)
    bags.add_argument("--every", type=positive_int, default=1, help="take every so many-th episode")
    camera = _action(
        actions, "from-camera", "take what a robot's cameras see now as a goal",
        "mtopt goals from-camera --robot robot_1 --out goals/",
    )  # fmt: skip
    camera.add_argument("--out", type=Path, required=True, help="folder, new or of such goals")
    camera.add_argument("--robot", default="robot_1", help="its namespace (default robot_1)")
    _add_cameras(camera)
    camera.add_argument(
        "--holding", action="store_true", help="who reaches it begins with an object in the gripper"
    )
    camera.add_argument(
        "--checkpoint", type=Path,
        help="that is to reach it: pictures must have its sizes (default: 64x64 px of the "
        "shoulder camera, 32x32 of the wrist's)",
    )  # fmt: skip
    camera.add_argument(
        "--timeout", type=nonnegative_float, default=10.0, metavar="S",
        help="to wait for it (default 10)",
    )  # fmt: skip
    show = _action(actions, "show", "count the goals of a folder", "mtopt goals show goals/ --json")
    show.add_argument("goals", type=Path, metavar="GOALS", help="folder of the goals")
    show.add_argument("--page", type=Path, metavar="FILE.html", help="write their pictures, too")
    show.add_argument("--sheet", type=Path, metavar="FILE.png", help="write some of them, too")
    reach = _action(
        actions, "reach", "measure how often a policy reaches the goals of a folder",
        "mtopt goals reach goals/ --checkpoint run/checkpoint --out reached/ --json",
    )  # fmt: skip
    reach.add_argument("goals", type=Path, metavar="GOALS", help="folder of the goals")
    reach.add_argument("--checkpoint", type=Path, help="of the goal-conditioned Q-function")
    reach.add_argument(
        "--policy", default="qfunction", help="qfunction (default), scripted_pick or random"
    )
    reach.add_argument(
        "--out", type=Path, required=True,
        help=f"folder for last pictures, reached.json, {PAGE} and goals.png; "
        "an interrupted call goes on there",
    )  # fmt: skip
    reach.add_argument(
        "--max-steps", type=positive_int, default=30,
        help="control steps of an episode (default 30)",
    )  # fmt: skip
    reach.add_argument(
        "--robots", type=positive_int, default=7, help="stations side by side (default 7)"
    )
    reach.add_argument(
        "--processes", type=nonnegative_int, default=0, help="0: one a core (default)"
    )
    reach.add_argument(
        "--ros", action="store_true",
        help="in the node graph, in lockstep, with bags, instead of in-process; "
        "each robot is a process",
    )  # fmt: skip
    send = _action(
        actions, "send", "have a robot of a running cell reach one goal",
        "mtopt goals send goals/ --number 0 --robot robot_1",
    )  # fmt: skip
    send.add_argument("goals", type=Path, metavar="GOALS", help="folder of the goals")
    send.add_argument("--number", type=nonnegative_int, default=0, help="of the goal (default 0)")
    send.add_argument("--robot", default="robot_1", help="its namespace (default robot_1)")
    send.add_argument("--policy", default="", help="default: qfunction")
    send.add_argument(
        "--seed", type=nonnegative_int, default=0, help="of what is drawn (default 0)"
    )
    send.add_argument("--reset-bin", action="store_true", help="tip the bin first")
    send.add_argument(
        "--timeout", type=nonnegative_float, default=30.0, metavar="S",
        help="to find the robot (default 30)",
    )  # fmt: skip


def _add_cameras(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cameras", nargs="+", metavar="CAMERA", default=["shoulder", "wrist"],
        help="whose pictures, the first one's for pages, too (default shoulder wrist)",
    )  # fmt: skip


def _action(actions, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    return parser


def run(arguments: argparse.Namespace) -> dict:
    """Runs the chosen action."""
    return {
        "demonstrate": _demonstrate,
        "from-bags": _from_bags,
        "from-camera": _from_camera,
        "send": _send,
        "show": _show,
        "reach": _reach,
    }[arguments.action](arguments)


def _demonstrate(arguments: argparse.Namespace) -> dict:
    from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate
    from mtopt_bringup.goalset.goal_set import check_goals_folder
    from mtopt_bringup.progress import episode_bar

    check_goals_folder(arguments.out)
    config = DemonstrationConfig(
        tuple(arguments.kinds), arguments.episodes, arguments.seed, arguments.processes,
        arguments.world, arguments.tasks_file,
    )  # fmt: skip
    with episode_bar(len(set(config.kinds)) * config.goals) as bar:
        goals = demonstrate(config, bar.update)
    goals.write(arguments.out)
    return {**_summary(arguments.out, goals), **goals.about}


def _from_bags(arguments: argparse.Namespace) -> dict:
    from mtopt_bringup.goalset.from_bags import from_bags

    goals = from_bags(arguments.folders, arguments.cameras, arguments.every)
    goals.write(arguments.out)
    return _summary(arguments.out, goals)


def _from_camera(arguments: argparse.Namespace) -> dict:
    from mtopt_bringup.goalset.from_camera import add_goal, goal_from_camera
    from mtopt_bringup.policies import goal_picture_sizes

    sizes = goal_picture_sizes(arguments.checkpoint, arguments.cameras)
    shown = goal_from_camera(arguments.robot, sizes, arguments.timeout, arguments.holding)
    goals = add_goal(arguments.out, shown)
    number = len(goals.goals) - 1
    return {**_summary(arguments.out, goals), "number": number, "source": shown.source}


def _send(arguments: argparse.Namespace) -> dict:
    import sys

    from mtopt_bringup.goalset.goal_set import read_goal_set
    from mtopt_bringup.goalset.sending import SendConfig, send_goal
    from mtopt_spec.errors import InputError

    goals = read_goal_set(arguments.goals)
    if not 0 <= arguments.number < len(goals.goals):
        raise InputError(
            "--number", where=arguments.goals, got=arguments.number,
            expected=f"0 to {len(goals.goals) - 1}",
        )  # fmt: skip
    config = SendConfig(
        arguments.robot, arguments.policy, arguments.seed, arguments.reset_bin, arguments.timeout
    )

    def tell(f) -> None:
        sys.stderr.write(f"{f.state:9} step {f.step:2d}  Q {f.q:.2f}  {f.distance_m:.3f} m\n")

    result = send_goal(goals.goals[arguments.number].goal, config, tell)
    reached = {True: "reached", False: "not reached", None: "nobody judged"}[result["success"]]
    error = "" if result["error"] == "none" else f": {result['error']}: {result['error_msg']}"
    sys.stderr.write(f"goal {arguments.number}: {reached}{error}\n")
    return {**result, "number": arguments.number, "exit_code": int(bool(error))}


def _show(arguments: argparse.Namespace) -> dict:
    from collections import Counter

    from mtopt_bringup.goalset.goal_set import read_goal_set
    from mtopt_bringup.goalset.stories import goal_stories, some_of_each
    from mtopt_learning.report.goals import write_contact_sheet, write_goal_page

    goals = read_goal_set(arguments.goals)
    result = _summary(arguments.goals, goals)
    truths = [shown.goal.truth for shown in goals.goals if shown.goal.truth is not None]
    result["objects"] = dict(sorted(Counter(truth.object for truth in truths).items()))
    result["holding"] = sum(shown.goal.holding for shown in goals.goals)
    stories = goal_stories(goals)
    if arguments.page is not None:
        inputs = [("Goals", f"{arguments.goals}, fingerprint {goals.fingerprint}")]
        result.update(write_goal_page(arguments.page, "Goal pictures", stories, inputs))
    if arguments.sheet is not None:
        write_contact_sheet(arguments.sheet, some_of_each(stories, _SHEET_GOALS))
        result["sheet"] = str(arguments.sheet)
    return result


def _reach(arguments: argparse.Namespace) -> dict:
    from mtopt_bringup.goalset.goal_set import read_goal_set
    from mtopt_bringup.goalset.reached import write_reached
    from mtopt_bringup.goalset.reaching import ReachConfig, evaluate_goals
    from mtopt_bringup.policies import (
        QFUNCTION,
        check_policy,
        goal_fingerprint,
        learned_policy,
        local_policies,
    )  # fmt: skip
    from mtopt_bringup.progress import episode_bar
    from mtopt_learning.policy.policy_mux import PolicyMux
    from mtopt_learning.report.goals import write_goal_page
    from mtopt_sim.cell import cell_tasks

    goals = read_goal_set(arguments.goals)
    tasks = cell_tasks(Path(goals.tasks_file) if goals.tasks_file else None)
    check_policy(arguments.policy, arguments.checkpoint, of_tasks=False)
    if arguments.policy == QFUNCTION:
        fingerprint = goal_fingerprint(arguments.checkpoint, tasks, goals.cameras)
        policy = learned_policy(arguments.checkpoint, tasks)
    else:
        policy, fingerprint = PolicyMux(local_policies(tasks)), ""
    config = ReachConfig(
        arguments.policy, fingerprint, arguments.max_steps, arguments.robots, arguments.processes
    )
    with episode_bar(len(goals.goals)) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        if arguments.ros:
            from mtopt_bringup.goalset.ros_reaching import evaluate_goals_in_cell

            result = evaluate_goals_in_cell(
                goals, policy, config, arguments.checkpoint, arguments.out, show
            )
        else:
            result = evaluate_goals(goals, policy, config, arguments.out, show)
    stories = write_reached(arguments.out, goals, result)
    inputs = [
        ("Goals", f"{arguments.goals}, fingerprint {goals.fingerprint}"),
        ("Policy", f"{config.policy} {arguments.checkpoint or ''} {fingerprint}".strip()),
        ("Control steps", f"at most {config.max_steps}"),
        ("Run", "in the node graph, in lockstep" if arguments.ros else "in-process"),
    ]
    title = "Goals, and who reached them"
    page = write_goal_page(arguments.out / PAGE, title, stories, inputs)
    return {**{key: value for key, value in result.items() if key != "goals"}, **page}


def _summary(folder: Path, goals) -> dict:
    return {
        "folder": str(folder),
        "goals": len(goals.goals),
        "counts": goals.counts(),
        "world": goals.world,
        "cameras": list(goals.cameras),
        "fingerprint": goals.fingerprint,
    }
