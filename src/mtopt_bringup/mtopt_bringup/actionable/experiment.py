"""The experiment as stages: goals, collect, train, evaluate, downstream, write."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_bringup.actionable.data import (
    collect_rearrangements,
    data_fingerprint,
    join_data,
)
from mtopt_bringup.actionable.downstream import (
    BESIDE,
    FineTuning,
    count_own,
    fine_tune,
    fine_tunings,
    measure,
    train_beside,
)
from mtopt_bringup.actionable.goal_sets import GOAL_SETS, make_goals
from mtopt_bringup.actionable.learn import train_row
from mtopt_bringup.actionable.page import write_page
from mtopt_bringup.actionable.reach import reach, reached_folder
from mtopt_bringup.actionable.rows import FIRST, Row, chosen_rows
from mtopt_bringup.actionable.scoring import pooled
from mtopt_bringup.goalset.reached import SHEET
from mtopt_bringup.jobs import Job
from mtopt_bringup.paper import scoring
from mtopt_bringup.result_text import finite
from mtopt_bringup.staged_run import StagedRun
from mtopt_bringup.stages import parts_of, write_json
from mtopt_learning.checkpoint.folder import code_version
from mtopt_learning.dataset.files import read_manifest
from mtopt_learning.report.provenance import machine, versions
from mtopt_sim.cell import cell_tasks
from mtopt_spec.goal import KINDS

PARTS = ("goals", "collect", "train", "evaluate", "downstream", "write")
_MAY_GROW = ("rows", "seeds", "tasks", "episodes")


class GoalsExperiment:
    """Runs what is not done yet.

    Args:
        data: Data set of the cell's tasks; it is only read.
        out: Folder of everything.
        config: Sizes; a second call into the same folder must have the same, but for the rows, the
            number of seeds, and the tasks and numbers of episodes that are fine-tuned.
        minutes: Stop after about so long; what is done stays. None: no limit.
        processes: Rows side by side, each with `train.threads` threads; 0: one a core.

    Raises:
        InputError: There is no data set or it is of other tasks, the folder is of an experiment of
            other sizes or of another data set, or a row or task is unknown.
    """

    def __init__(
        self,
        data: Path,
        out: Path,
        config: GoalsConfig,
        minutes: float | None = None,
        processes: int = 0,
    ):
        self.out, self.data, self.config = out.resolve(), data.resolve(), config
        self._rows, self._tasks = chosen_rows(config.rows), cell_tasks()
        for name in config.tasks:
            self._tasks.index_of(name)
        settings = {k: v for k, v in asdict(config).items() if k not in _MAY_GROW}
        settings["data"] = data_fingerprint(self.data, self._tasks)
        self._work = StagedRun(self.out, settings, minutes, processes, config.train.threads)
        self._stages = self._work.stages

    def run(self, parts: Sequence[str] = PARTS) -> dict:
        """Runs these parts.

        Returns:
            `finished`: all stages of these parts are done; `errors`: stage to text; `reached`: row
            to goal set to success rate; `page`; `seconds`; `exit_code`: 1 where something failed or
            is left.
        """
        work = {
            "goals": self._goals, "collect": self._collect, "train": self._train,
            "evaluate": self._evaluate, "downstream": self._downstream, "write": self._write,
        }  # fmt: skip
        finished = self._work.in_turn(work, parts) and not self._work.errors
        return {
            "finished": finished,
            "errors": self._work.errors,
            "reached": {
                row: {name: round(_rate(score["all"]), 4) for name, score in sets.items()}
                for row, sets in self._scores().items()
            },
            "page": str(self._page) if self._page.exists() else "",
            "seconds": round(sum(r["stage_s"] for r in self._stages.all_results().values()), 1),
            "exit_code": int(not finished),
        }

    @property
    def _goal_data(self) -> Path:
        """The data set that the rows learn goals from."""
        return self.out / "data" if self.config.rearrangements else self.data

    @property
    def _page(self) -> Path:
        return self.out / "goals.md"

    # -- parts --------------------------------------------------------------------------------

    def _goals(self) -> None:
        for name in GOAL_SETS:
            self._work.one(f"goals_{name}", partial(make_goals, self.out, self.config, name))

    def _collect(self) -> None:
        """Rearrangements in parts, then one data set of them and that of the tasks."""
        config = self.config
        for part, now in parts_of(config.rearrangements, config.part_episodes):
            work = partial(collect_rearrangements, self.out, config, part, now)
            self._work.one(f"collect_rearrange_{part:02d}", work)
        if config.rearrangements:
            self._work.one("data", partial(join_data, self.data, self.out))

    def _train(self) -> None:
        if self.config.rearrangements:
            self._work.need("data", "collect")
        jobs = [
            Job(
                f"train_{row.name}_{seed}", self.config.steps, train_row,
                (self.out, self._goal_data, self.config, row, seed),
            )
            for row, seed in self._runs()
        ]  # fmt: skip
        self._work.side_by_side(jobs, "step")

    def _evaluate(self) -> None:
        for name in GOAL_SETS:
            self._work.need(f"goals_{name}", "goals")
        jobs = [
            Job(
                f"evaluate_{row.name}_{seed}_{name}", len(KINDS) * self.config.goals, reach,
                (self.out, self.config, row, seed, name),
            )
            for row, seed in self._runs()
            if self._stages.has(f"train_{row.name}_{seed}")
            for name in GOAL_SETS
        ]  # fmt: skip
        self._work.side_by_side(jobs, "goal")

    def _downstream(self) -> None:
        """Trains, then measures: of each task a few own episodes, and all tasks beside goals."""
        config, seeds = self.config, range(self.config.seeds)
        for seed in seeds if config.tasks else ():
            self._work.need(f"train_{FIRST}_{seed}", "train")
        own = self._work.one("own_episodes", lambda: count_own(self.data, self._tasks.names))
        tuned, shared = fine_tunings(config, own), (self.out, self.data, config)
        jobs = [
            Job(f"train_{what.name}_{seed}", config.fine_tune_steps, fine_tune,
                (*shared, what, seed))
            for seed in seeds
            for what in tuned
        ] + [
            Job(f"train_{name}_{seed}", config.beside_steps, train_beside, (*shared, name, seed))
            for seed in seeds
            for name in BESIDE
        ]  # fmt: skip
        self._work.side_by_side(jobs, "step")
        every = self._tasks.names
        measured = [(w.name, (w.task,)) for w in tuned] + [(name, every) for name in BESIDE]
        jobs = [
            Job(
                f"evaluate_{name}_{seed}", config.evaluation_episodes * len(names), measure,
                (self.out, config, name, names, seed),
            )
            for seed in seeds
            for name, names in measured
            if self._stages.has(f"train_{name}_{seed}")
        ]  # fmt: skip
        self._work.side_by_side(jobs, "episode")

    def _write(self) -> None:
        for name in GOAL_SETS:
            self._work.need(f"goals_{name}", "goals")
        results = self._results()
        write_json(self.out / "results.json", finite(results))
        write_page(self._page, results)

    # -- what they share ----------------------------------------------------------------------

    def _runs(self) -> list[tuple[Row, int]]:
        return [(row, seed) for row in self._rows for seed in range(self.config.seeds)]

    def _of_seeds(self, name: str, after: str = "") -> list[dict]:
        """Results of the stages `name_<seed>after` that are done."""
        stages = (f"{name}_{seed}{after}" for seed in range(self.config.seeds))
        return [self._stages.result(stage) for stage in stages if self._stages.has(stage)]

    def _scores(self) -> dict[str, dict[str, dict]]:
        """Row to goal set to its score, where there is one."""
        found = {}
        for row in self._rows:
            sets = {name: self._of_seeds(f"evaluate_{row.name}", f"_{name}") for name in GOAL_SETS}
            if any(sets.values()):
                found[row.name] = {name: pooled(many) for name, many in sets.items() if many}
        return found

    def _fine_tuned(self) -> list[dict]:
        if not self._stages.has("own_episodes"):
            return []
        whats = fine_tunings(self.config, self._stages.result("own_episodes"))
        return [
            self._fine_tuning(what) for what in whats if self._of_seeds(f"evaluate_{what.name}")
        ]

    def _fine_tuning(self, what: FineTuning) -> dict:
        score = scoring.pooled(self._of_seeds(f"evaluate_{what.name}"))["tasks"][what.task]
        successes = [one["successes"] for one in self._of_seeds(f"train_{what.name}")]
        return {**asdict(what), "score": score, "own_successes": successes}

    def _sheets(self) -> dict[str, dict]:
        """Goal set to `file`, a picture beside the page of what a `row` of a `seed` reached.

        The first one of which there is a picture.
        """
        found = {}
        for name in GOAL_SETS:
            for row, seed in self._runs():
                sheet = reached_folder(self.out, row, seed, name) / SHEET
                if sheet.is_file():
                    file = f"goals_{name}.png"
                    shutil.copyfile(sheet, self.out / file)
                    found[name] = {"file": file, "row": row.name, "seed": seed}
                    break
        return found

    def _results(self) -> dict:
        """Everything that the page tells."""
        stages, manifest = self._stages.all_results(), read_manifest(self._goal_data)
        trained = {row.name: self._of_seeds(f"train_{row.name}") for row in self._rows}
        beside = {name: self._of_seeds(f"evaluate_{name}") for name in BESIDE}
        return {
            "config": asdict(self.config),
            "titles": {row.name: row.title for row in self._rows},
            "data": {key: manifest[key] for key in ("episodes", "observations", "fingerprint")},
            "goal_sets": {name: self._stages.result(f"goals_{name}") for name in GOAL_SETS},
            "scores": self._scores(),
            "trained": {name: runs for name, runs in trained.items() if runs},
            "own_episodes": stages.get("own_episodes", {}),
            "fine_tuned": self._fine_tuned(),
            "beside": {name: scoring.pooled(many) for name, many in beside.items() if many},
            "sheets": self._sheets(),
            "errors": self._work.errors,
            "stage_s": {name: result["stage_s"] for name, result in stages.items()},
            "command": shlex.join(["mtopt", *sys.argv[1:]]),
            "machine": machine(),
            "versions": versions(),
            "commit": code_version()["commit"],
        }


def _rate(score: dict) -> float:
    return score["successes"] / score["attempts"] if score["attempts"] else float("nan")
