"""`mtopt collect`: episodes in-process, as fast as physics and rendering allow."""

from __future__ import annotations

from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_int, share
from mtopt_spec.action import MAX_STEPS

SUMMARY = "Collects episodes in-process, without messages, into the same bags as `mtopt cell`."
EXAMPLE = "mtopt collect --robots 7 --episodes 1000 --out bags/ --seed 1 --tasks lift-any --json"


def add_arguments(parser) -> None:
    """What to collect; shared with `mtopt cell` where both have it."""
    add_run_arguments(parser)
    parser.add_argument(
        "--max-steps", type=positive_int, default=MAX_STEPS, metavar="N",
        help=f"control steps of an episode; then it is truncated (default {MAX_STEPS})",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=nonnegative_int, default=0,
        help="worker processes, 0: one a core (default); the episodes do not depend on it",
    )  # fmt: skip


def add_cell_arguments(parser) -> None:
    """Another cell than the installed one."""
    parser.add_argument("--world", type=Path, metavar="SDF", help="default: worlds/bin_cell.sdf")
    parser.add_argument(
        "--tasks-file", type=Path, metavar="YAML", help="default: params/tasks.yaml"
    )


def add_run_arguments(parser) -> None:
    """The arguments of both harnesses."""
    parser.add_argument(
        "--robots", type=positive_int, default=7, help="stations of the cell (default 7)"
    )
    parser.add_argument(
        "--episodes", type=positive_int, default=100, help="complete episodes to add (default 100)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the bags")
    parser.add_argument(
        "--seed", type=nonnegative_int, default=0, help="of every random draw (default 0)"
    )
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK", help="offer these only (default all)"
    )
    parser.add_argument(
        "--policy", default="bootstrap",
        help="bootstrap (each task's script, the default), qfunction, or a script's name",
    )  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, help="of the Q-function")
    parser.add_argument(
        "--detector", type=Path,
        help="checkpoint of the success detector; without it the simulator's truth is the reward",
    )  # fmt: skip
    parser.add_argument(
        "--epsilon", type=share, default=0.0, help="share of random actions of the Q-function"
    )
    parser.add_argument("--video", type=Path, help="MP4 file of the cell to write")
    add_cell_arguments(parser)


def check_run_arguments(arguments) -> None:
    """Refuses what cannot be run, before anything is started (`InputError`)."""
    from mtopt_bringup.policies import check_policy
    from mtopt_sim.cell import CellConfig, cell_robots, cell_tasks

    cell_robots(CellConfig(robots=arguments.robots, world=arguments.world))
    cell_tasks(arguments.tasks_file).subset(arguments.tasks)
    check_policy(arguments.policy, arguments.checkpoint)


def run(arguments) -> dict:
    """Collects; what is complete when it is interrupted stays, and the next run adds to it."""
    from mtopt_bringup.in_process import CollectConfig, collect
    from mtopt_bringup.policies import learned_policy, success_judge
    from mtopt_bringup.progress import episode_bar
    from mtopt_bringup.run_folder import start_run
    from mtopt_sim.cell import cell_tasks

    check_run_arguments(arguments)
    tasks = cell_tasks(arguments.tasks_file)
    policy = judge = None
    if arguments.checkpoint is not None:
        policy = learned_policy(arguments.checkpoint, tasks, arguments.epsilon)
    if arguments.detector is not None:
        judge = success_judge(arguments.detector, tasks)
    start = start_run(arguments.out, arguments.seed)
    config = CollectConfig(
        robots=arguments.robots, episodes=arguments.episodes, out=arguments.out, seed=start.seed,
        tasks=tuple(arguments.tasks), policy=arguments.policy, run=start.run,
        processes=1 if arguments.video else arguments.processes, world=arguments.world,
        tasks_file=arguments.tasks_file, max_steps=arguments.max_steps,
    )  # fmt: skip
    video = None
    if arguments.video is not None:
        from mtopt_sim.cell_view import CellVideo, CellView

        video = CellVideo(arguments.video, CellView.for_video(arguments.world))
    with episode_bar(arguments.episodes) as bar:
        collected = collect(
            config, policy=policy, judge=judge,
            on_episode=lambda begin, end: bar.update(),
            on_tick=(lambda groups: video.add(groups[0].stations())) if video else None,
        )  # fmt: skip
    if video is not None:
        video.close()
    result = collected.result()
    if collected.interrupted:
        result["exit_code"] = 130
    elif collected.episodes < arguments.episodes:
        failure = f"{collected.episodes} of {arguments.episodes} episodes: too many were void"
        result.update(failure=failure, exit_code=1)
    return result
