"""`mtopt eval`: each task's success rate in fresh scenes, with its 95 % interval."""

from __future__ import annotations

from pathlib import Path

from mtopt_bringup.commands.collect import add_cell_arguments
from mtopt_bringup.number_types import nonnegative_int, positive_int

SUMMARY = (
    "Measures each task's success rate in fresh scenes by the simulator's truth, "
    "with Wilson's 95 % intervals."
)
EXAMPLE = "mtopt eval --checkpoint run/checkpoint --episodes 50 --tasks lift-any place-any --json"


def add_arguments(parser) -> None:
    """What to measure."""
    parser.add_argument("--checkpoint", type=Path, help="of the Q-function")
    parser.add_argument(
        "--episodes", type=positive_int, default=50, help="of each task (default 50)"
    )
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK",
        help="default: all that the checkpoint knows",
    )  # fmt: skip
    parser.add_argument(
        "--policy", help="qfunction (default with --checkpoint), bootstrap or random"
    )
    parser.add_argument(
        "--seed", type=nonnegative_int, default=1000, help="of the scenes (default 1000)"
    )
    parser.add_argument(
        "--robots", type=positive_int, default=7, help="stations side by side (default 7)"
    )
    add_cell_arguments(parser)
    parser.add_argument(
        "--processes", type=nonnegative_int, default=0, help="0: one a core (default)"
    )
    parser.add_argument("--out", type=Path, help="folder for bags of the episodes (default: none)")
    parser.add_argument(
        "--progress", type=Path,
        help="file that keeps finished episodes, so that it can go on after an interruption "
        "(default: CHECKPOINT.evaluation.json; without a checkpoint none)",
    )  # fmt: skip


def run(arguments) -> dict:
    """Evaluates; goes on where an interrupted call of the same evaluation stopped."""
    from mtopt_bringup.evaluation import EvaluationConfig, evaluate
    from mtopt_bringup.policies import QFUNCTION, check_policy, learned_policy, policy_fingerprint
    from mtopt_bringup.progress import episode_bar
    from mtopt_sim.cell import cell_tasks

    tasks = cell_tasks(arguments.tasks_file)
    name = arguments.policy or (QFUNCTION if arguments.checkpoint else "bootstrap")
    check_policy(name, arguments.checkpoint)
    policy, fingerprint, progress = None, "", arguments.progress
    names = tuple(arguments.tasks) or tasks.names
    tasks.subset(names)
    if name == QFUNCTION:
        policy = learned_policy(arguments.checkpoint, tasks)
        fingerprint = policy_fingerprint(arguments.checkpoint, tasks)
        folder = arguments.checkpoint.resolve()
        progress = progress or folder.with_name(f"{folder.name}.evaluation.json")
    config = EvaluationConfig(
        tasks=names, episodes=arguments.episodes, policy=name, fingerprint=fingerprint,
        seed=arguments.seed, robots=arguments.robots, processes=arguments.processes,
        out=arguments.out, world=arguments.world, tasks_file=arguments.tasks_file,
    )  # fmt: skip
    with episode_bar(len(names) * arguments.episodes) as bar:
        result = evaluate(config, policy, progress, lambda done: bar.update(done - bar.n))
    if result["failed_by_fault"]:
        result["failure"] = "episodes that were void each time count as failures; none is kept"
        result["exit_code"] = 1
    return result
