"""The experiment as stages: zero-shot, rounds of collecting and fine-tuning, controls, page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from mtopt_bringup.jobs import Job
from mtopt_bringup.newtask.base import find_base
from mtopt_bringup.newtask.config import NewCell, NewTaskConfig
from mtopt_bringup.newtask.handover import HandoverFrom, collected_by, shares_of
from mtopt_bringup.newtask.learn import (
    CONTROLS,
    FINE_TUNED,
    START,
    begin,
    build_new_data,
    train_control,
)
from mtopt_bringup.newtask.page import write_page
from mtopt_bringup.paper.evaluate import evaluate_checkpoint
from mtopt_bringup.policies import policy_fingerprint
from mtopt_bringup.progress import episode_bar
from mtopt_bringup.rounds import RoundConfig, RoundFolders, run_round
from mtopt_bringup.staged_run import StagedRun
from mtopt_bringup.stages import write_json
from mtopt_learning.checkpoint.folder import code_version
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.policy.q_policy import ActConfig
from mtopt_learning.report.provenance import machine, versions
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_sim.cell import cell_tasks

ROWS = {
    "zero_shot": ("zero-shot, as the parent task", START),
    "fine_tuned": ("fine-tuned, old and new data", FINE_TUNED),
    **{kind: (title, kind) for kind, title in CONTROLS.items()},
}
"""Row of the table to its title and its run."""


class NewTasks:
    """Runs what is not done yet.

    Args:
        base: The `--out` of `mtopt benchmark paper`.
        out: Folder of everything.
        config: Sizes; a second call into the same folder must have the same.
        tasks_file: The base's tasks and the new ones behind them.
        world: World file with what the new tasks name.
        minutes: Stop after about so long; what is done stays. None: no limit.

    Raises:
        InputError: The base lacks something or is of other tasks (see `find_base`), or the folder
            is of an experiment of other sizes.
    """

    def __init__(
        self,
        base: Path,
        out: Path,
        config: NewTaskConfig,
        tasks_file: Path,
        world: Path,
        minutes: float | None = None,
    ):
        self.out, self.config = out.resolve(), config
        self._tasks = cell_tasks(tasks_file)
        self._base = find_base(base.resolve(), self._tasks, world)
        self._cell = NewCell(tasks_file.resolve(), world.resolve(), self._base.new.names)
        settings = {**asdict(config), "tasks": self._tasks.names, "base": str(base.resolve())}
        self._work = StagedRun(self.out, settings, minutes)
        self._stages = self._work.stages
        self._folders = RoundFolders(
            self.out / "bags", self.out / "data", self.out / "runs" / FINE_TUNED
        )

    def run(self) -> dict:
        """Runs the stages in turn.

        Returns:
            `tasks`: name to row to its score; `new_episodes`; `new_share` of the old ones;
            `finished`, `errors`, `seconds`, `page`, `exit_code` (1 where something is left).
        """
        parts = {
            "begin": self._begin, "rounds": self._go_through_rounds, "controls": self._controls,
            "measure": self._measure_others,
        }  # fmt: skip
        finished = self._work.in_turn(parts, tuple(parts)) and not self._work.errors
        results = self._results()
        write_json(self.out / "results.json", results)
        write_page(self._page, results)
        keys = ("tasks", "new_episodes", "new_share", "errors", "seconds")
        return {
            **{key: results[key] for key in keys},
            "finished": finished,
            "page": str(self._page),
            "exit_code": int(not finished),
        }

    @property
    def _page(self) -> Path:
        return self.out / "new-task.md"

    # -- stages -------------------------------------------------------------------------------

    def _begin(self) -> None:
        base, seed = self._base, self.config.seed
        self._work.one("begin", lambda: begin(self.out, base, self._tasks, seed))
        self._work.one("evaluate_zero_shot", self._zero_shot)

    def _go_through_rounds(self) -> None:
        for number in range(1, self.config.rounds + 1):
            self._work.one(f"round_{number:02d}", partial(self._round, number))
        self._work.one("new_data", lambda: build_new_data(self.out, self._tasks))

    def _zero_shot(self) -> dict:
        with self._bar() as bar:
            return self._measured(START, 0)(lambda done: bar.update(done - bar.n))

    def _round(self, number: int) -> dict:
        """Collects by explorer, script and own policy of each task, and fine-tunes."""
        config, names = self.config, self._base.new.names
        old = self._stages.result("begin")["old_episodes"]
        settings = RoundConfig(
            tasks=names, episodes=config.round_episodes(old), steps=config.steps,
            epsilon=config.epsilon, noise=config.noise, recent_share=config.recent_share,
            learning_rate=config.round_rate(number),
            robots=config.robots, cells=config.cells, episodes_per_scene=config.episodes_per_scene,
            world=self._cell.world, tasks_file=self._cell.tasks_file, seed=config.seed,
        )  # fmt: skip
        explorer, known = self._base.run / CHECKPOINT, self._base.known
        shares = shares_of([one["by"] for one in self._rounds()], names)
        act = ActConfig(epsilon=config.epsilon, noise=config.noise)
        through = HandoverFrom(explorer, known.names, self._tasks, act, self._base.parents, shares)
        result = run_round(number, self._folders, settings, self._tasks, through)
        dataset = Dataset.open(self._folders.data)
        by = collected_by(dataset, f"round{number}c", policy_fingerprint(explorer, known), names)
        return {**result, "shares": shares, "by": by}

    def _controls(self) -> None:
        steps = self.config.rounds * self.config.steps
        jobs = [
            Job(
                f"train_{kind}", steps, train_control,
                (self.out, kind, self._cell.tasks_file, self.config),
            )
            for kind in CONTROLS
        ]  # fmt: skip
        self._work.side_by_side(jobs, "step")

    def _measure_others(self) -> None:
        size = self.config.evaluation_episodes * len(self._base.new)
        jobs = [
            Job(f"evaluate_{row}", size, self._measured(run, 1), ())
            for row, (_, run) in ROWS.items()
            if f"train_{run}" not in self._work.errors
        ]
        self._work.side_by_side(jobs, "episode")

    # -- what they share ----------------------------------------------------------------------

    def _measured(self, run: str, processes: int) -> Callable[..., dict]:
        return partial(
            evaluate_checkpoint, self.out / "runs" / run, self.config, self._cell.new, True,
            processes=processes, world=self._cell.world, tasks_file=self._cell.tasks_file,
        )  # fmt: skip

    def _bar(self):
        return episode_bar(self.config.evaluation_episodes * len(self._base.new))

    def _rounds(self) -> list[dict]:
        names = (f"round_{number:02d}" for number in range(1, self.config.rounds + 1))
        return [self._stages.result(name) for name in names if self._stages.has(name)]

    def _results(self) -> dict:
        """Everything that the page tells."""
        stages, rounds = self._stages.all_results(), self._rounds()
        scores = {row: stages.get(f"evaluate_{row}") for row in ROWS}
        tasks = {
            name: {row: score["tasks"][name] for row, score in scores.items() if score}
            for name in self._base.new.names
        }
        new = sum(n for one in rounds for by in one["by"].values() for n, _ in by.values())
        old = stages["begin"]["old_episodes"] if "begin" in stages else self._base.episodes
        return {
            "config": asdict(self.config),
            "parents": dict(self._base.parents),
            "titles": {row: title for row, (title, _) in ROWS.items()},
            "base": {"run": str(self._base.run), "step": stages.get("begin", {}).get("step")},
            "tasks": tasks,
            "old_episodes": old,
            "new_episodes": new,
            "new_share": round(new / old, 5),
            "rounds": rounds,
            "errors": self._work.errors,
            "seconds": round(sum(one["stage_s"] for one in stages.values()), 1),
            "stage_s": {name: one["stage_s"] for name, one in stages.items()},
            "machine": machine(),
            "versions": versions(),
            "commit": code_version()["commit"],
        }
