"""A learned policy collects in several cells at once, each a process of its own.

Robots of one cell wait for each other every control tick, and for the policy that answers them all;
cells with a policy of their own wait for nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.jobs import Job, run_jobs
from mtopt_bringup.policies import QFUNCTION
from mtopt_bringup.run_folder import start_run
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy
from mtopt_learning.success.detector import SuccessDetector
from mtopt_spec import seeds
from mtopt_spec.interfaces import Policy
from mtopt_spec.task import TaskList


@dataclass(frozen=True)
class Explorer:
    """Who collects, as another process can make it.

    Attributes:
        checkpoint: Of the Q-function.
        tasks: Of the cell.
        act: Its exploration.
        detector: Judges the episodes; None leaves it to the simulator's truth.
        through: Puts something between the policy and who asks it; it can be pickled.
    """

    checkpoint: Path
    tasks: TaskList
    act: ActConfig
    detector: Path | None = None
    through: Callable[[Policy], Policy] | None = None


def collect_side_by_side(config: CollectConfig, explorer: Explorer, cells: int) -> dict:
    """Collects in independent cells, into `cell_1`, `cell_2`, ... of `config.out`.

    Args:
        config: Of all cells together; each cell's seed and run name are drawn from its own. What
            is recorded depends on `cells`, not on the machine.
        explorer: Who collects.
        cells: How many; no more than episodes.

    Returns:
        As `Collected.result`, counts and rates added up.

    Raises:
        RuntimeError: A process failed; its log is beside the bags.
        KeyboardInterrupt: Interrupted; episodes that are complete stay.
    """
    cells = min(cells, config.episodes)
    shares = [_cell(config, number, cells) for number in range(cells)]
    jobs = [
        Job(f"cell_{number}", share.episodes, _collect, (share, explorer))
        for number, share in enumerate(shares, 1)
    ]
    results: list[dict] = []
    failed = run_jobs(
        jobs, cells, "episode", config.out / "logs", lambda name, result, s: results.append(result)
    )
    if failed:
        raise RuntimeError(f"collecting failed: {failed}; see {config.out / 'logs'}")
    return added_up(results)


def _cell(config: CollectConfig, number: int, cells: int) -> CollectConfig:
    """The share of one of the cells, 0 for the first."""
    share, left = divmod(config.episodes, cells)
    return replace(
        config,
        episodes=share + (number < left),
        out=config.out / f"cell_{number + 1}",
        seed=seeds.derive(config.seed, "cell", number) % 2**31,
        run=f"{config.run}c{number + 1}-",
        processes=1,
    )


def _collect(config: CollectConfig, explorer: Explorer, progress: Callable[[int], None]) -> dict:
    """Collects one cell's share; runs in its process."""
    start = start_run(config.out, config.seed, config.run)
    policy = QFunctionPolicy(tasks=explorer.tasks.names, config=explorer.act)
    policy.load(explorer.checkpoint)
    through = explorer.through or (lambda inner: inner)
    judge = None
    if explorer.detector is not None:
        judge = SuccessDetector.load(explorer.detector, explorer.tasks.names)
    done = 0

    def count(begin, end) -> None:
        nonlocal done
        done += 1
        progress(done)

    collected = collect(
        replace(config, seed=start.seed, run=start.run),
        policy=PolicyMux({QFUNCTION: through(policy)}), judge=judge, on_episode=count,
    )  # fmt: skip
    return collected.result()


def added_up(results: Sequence[dict]) -> dict:
    """Several cells' results as one."""
    out = {key: sum(r[key] for r in results) for key in results[0] if key != "tasks"}
    tasks: dict[str, Counter] = {}
    for result in results:
        for name, counts in result["tasks"].items():
            tasks.setdefault(name, Counter()).update(counts)
    out["tasks"] = {name: dict(tasks[name]) for name in sorted(tasks)}
    return out
