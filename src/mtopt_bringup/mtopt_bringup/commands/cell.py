"""`mtopt cell`: the cell of robots as a ROS graph that records bags."""

from __future__ import annotations

from pathlib import Path

from mtopt_bringup.commands.collect import add_run_arguments, check_run_arguments
from mtopt_bringup.number_types import nonnegative_float

SUMMARY = (
    "Runs the full ROS graph: simulator, one process a robot, policy, scheduler, recorder. "
    "For one seed it records the same episodes as `mtopt collect`."
)
EXAMPLE = "mtopt cell --robots 7 --episodes 100 --out bags/ --seed 1 --json"


def add_arguments(parser) -> None:
    """What to run."""
    add_run_arguments(parser)
    parser.add_argument(
        "--real-time-factor", type=nonnegative_float, default=0.0, metavar="X",
        help="run freely at X simulated seconds a second; 0 (default): lockstep, at full speed",
    )  # fmt: skip
    parser.add_argument(
        "--lockstep-timeout", type=nonnegative_float, default=10.0, metavar="S",
        help="wall time of silence after which the others do not wait for a robot (default 10)",
    )  # fmt: skip
    parser.add_argument(
        "--on-request", action="store_true",
        help="robots wait for the actions run_episode and reach_goal, until Ctrl-C",
    )  # fmt: skip


def run(arguments) -> dict:
    """Runs the cell until its robots have their episodes, or Ctrl-C."""
    from mtopt_bringup.cell_options import CellOptions
    from mtopt_bringup.policies import policy_fingerprint, success_judge
    from mtopt_bringup.progress import episode_bar
    from mtopt_bringup.ros_cell import run_cell
    from mtopt_bringup.run_folder import start_run
    from mtopt_sim.cell import cell_tasks

    check_run_arguments(arguments)
    tasks = cell_tasks(arguments.tasks_file)
    if arguments.checkpoint is not None:
        policy_fingerprint(arguments.checkpoint, tasks)
    if arguments.detector is not None:
        success_judge(arguments.detector, tasks)
    start = start_run(arguments.out, arguments.seed)
    options = CellOptions(
        robots=arguments.robots,
        episodes=arguments.episodes,
        out=_text(arguments.out),
        seed=start.seed,
        tasks=tuple(arguments.tasks),
        policy=arguments.policy,
        checkpoint=_text(arguments.checkpoint),
        detector=_text(arguments.detector),
        epsilon=arguments.epsilon,
        lockstep=not arguments.real_time_factor,
        real_time_factor=arguments.real_time_factor or 1.0,
        lockstep_timeout_s=arguments.lockstep_timeout,
        video=_text(arguments.video),
        world=_text(arguments.world),
        tasks_file=_text(arguments.tasks_file),
        run=start.run,
        autostart=not arguments.on_request,
    )
    with episode_bar(arguments.episodes) as bar:
        return run_cell(options, lambda episode_id: bar.update()).result()


def _text(path: Path | None) -> str:
    """A path as an option of the cell: processes have folders of their own."""
    return "" if path is None else str(path.resolve())
