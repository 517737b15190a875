"""The experiment as stages: collect, train, evaluate, go on online, export, write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from mtopt_bringup.jobs import Job
from mtopt_bringup.paper.arms import ONLINE, ROUNDS_TITLE, Arm, chosen_arms
from mtopt_bringup.paper.collect import Collection
from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.paper.curves import auc_curve
from mtopt_bringup.paper.evaluate import evaluate_arm, evaluate_checkpoint
from mtopt_bringup.paper.export import export_best
from mtopt_bringup.paper.online import Online
from mtopt_bringup.paper.page import write_page
from mtopt_bringup.paper.scoring import pooled
from mtopt_bringup.paper.train import run_folder, train_arm
from mtopt_bringup.progress import episode_bar
from mtopt_bringup.staged_run import StagedRun
from mtopt_bringup.stages import write_json
from mtopt_learning.checkpoint.folder import code_version
from mtopt_learning.report.provenance import machine, versions
from mtopt_learning.train.run_folder import CHECKPOINT, read_metrics
from mtopt_sim.cell import cell_tasks
from mtopt_spec.errors import InputError

_LOG = logging.getLogger("mtopt.paper")
PARTS = ("collect", "train", "evaluate", "online", "write")
_MAY_GROW = ("arms", "seeds", "online_rounds")
_EVALUATE_ONLINE = "evaluate_online_"


class Experiment:
    """Runs what is not done yet.

    Args:
        out: Folder of everything.
        config: Sizes; a second call into the same folder must have the same, but for the rows, the
            number of seeds and that of on-policy rounds.
        minutes: Stop after about so long; what is done stays. None: no limit.
        processes: Rows side by side, each with `train.threads` threads; 0: one a core.

    Raises:
        InputError: The folder is of an experiment of other sizes, or a row is unknown.
    """

    def __init__(
        self, out: Path, config: PaperConfig, minutes: float | None = None, processes: int = 0
    ):
        self.out, self.config = out.resolve(), config
        self._arms = chosen_arms(config)
        sizes = {k: v for k, v in asdict(config).items() if k not in _MAY_GROW}
        self._work = StagedRun(self.out, sizes, minutes, processes, config.train.threads)
        self._stages = self._work.stages
        self._tasks = cell_tasks()
        self._online = Online(self.out, config, self._tasks)

    def run(self, parts: Sequence[str] = PARTS) -> dict:
        """Runs these parts.

        Returns:
            `finished`: all stages of these parts are done; `errors`: stage to text; `means`: row
            to mean success; `page`; `exit_code`: 1 where something failed or is left.
        """
        work = {
            "collect": self._collect, "train": self._train, "evaluate": self._evaluate,
            "online": self._go_online, "write": self._write,
        }  # fmt: skip
        finished = self._work.in_turn(work, parts) and not self._work.errors
        scores = self._scores()
        return {
            "finished": finished,
            "errors": self._work.errors,
            "means": {name: round(score["mean"], 4) for name, score in scores.items()},
            "page": str(self._page) if self._page.exists() else "",
            "seconds": round(sum(r["stage_s"] for r in self._stages.all_results().values()), 1),
            "exit_code": int(not finished),
        }

    @property
    def _page(self) -> Path:
        return self.out / "mtopt.md"

    # -- parts --------------------------------------------------------------------------------

    def _collect(self) -> None:
        Collection(self.out, self.config, self._tasks, self._stages).run(self._work.go_on)

    def _train(self) -> None:
        self._work.need("data", "collect")
        # IQL is installed first and takes longest: it begins.
        runs = sorted(self._runs("train"), key=lambda run: run[0].learner != "iql")
        jobs = [
            Job(name, self.config.steps, train_arm, (self.out, self.config, arm, seed))
            for arm, seed, name in runs
        ]
        self._work.side_by_side(jobs, "step")

    def _evaluate(self) -> None:
        each = self.config.evaluation_episodes
        jobs = [
            Job(
                name, each * len(arm.tasks or self._tasks), evaluate_arm,
                (self.out, self.config, arm, seed),
            )
            for arm, seed, name in self._runs("evaluate")
            if self._stages.has(f"train_{arm.name}_{seed}")
        ]  # fmt: skip
        self._work.side_by_side(jobs, "episode")

    def _go_online(self) -> None:
        """A failure here is one of this part only, as of a row."""
        work, config, online = self._work, self.config, self._online
        offline = next((arm for arm in self._arms if arm.name == ONLINE), None)
        if not config.online_rounds or offline is None:
            return
        self._work.need(f"train_{ONLINE}_0", "train")
        try:
            work.one("online_00", lambda: online.begin(run_folder(self.out, offline.name, 0)))
            for number in range(1, config.online_rounds + 1):
                work.one(f"online_{number:02d}", partial(online.round, number))
            work.one(f"{_EVALUATE_ONLINE}{config.online_rounds:02d}", self._evaluate_online)
        except (InputError, RuntimeError) as error:
            _LOG.exception("online")
            work.errors["online"] = f"{type(error).__name__}: {error}"

    def _evaluate_online(self) -> dict:
        config = self.config
        with episode_bar(config.evaluation_episodes * len(self._tasks)) as bar:
            return evaluate_checkpoint(
                self._online.folders.run, config, (), True,
                lambda done: bar.update(done - bar.n), processes=0,
            )  # fmt: skip

    def _write(self) -> None:
        self._work.need("data", "collect")
        candidates = {}
        for arm, seed, name in self._runs("evaluate"):
            if arm.learner == "q" and not arm.tasks and self._stages.has(name):
                checkpoint = run_folder(self.out, arm.name, seed) / CHECKPOINT
                score = self._stages.result(name)
                candidates[f"{arm.title}, seed {seed}"] = (checkpoint, score, 0)
        measured, rounds = self._online_scores(), self._rounds()
        if len(rounds) in measured:
            checkpoint = self._online.folders.run / CHECKPOINT
            own = sum(round_["collected"]["episodes"] for round_ in rounds)
            candidates[ROUNDS_TITLE] = (checkpoint, measured[len(rounds)], own)
        data = self._stages.result("data")
        exported = export_best(candidates, data, self.out / "model") if candidates else {}
        results = self._results(exported)
        write_json(self.out / "results.json", results)
        write_page(self._page, results)

    # -- what they share ----------------------------------------------------------------------

    def _runs(self, kind: str) -> list[tuple[Arm, int, str]]:
        """Row, seed and stage's name of each run."""
        seeds = range(self.config.seeds)
        return [(arm, seed, f"{kind}_{arm.name}_{seed}") for arm in self._arms for seed in seeds]

    def _rounds(self) -> list[dict]:
        """Results of the on-policy rounds that are done."""
        found = self._stages.all_results()
        return [r for name, r in found.items() if name.startswith("online_") and "collected" in r]

    def _online_scores(self) -> dict[int, dict]:
        """Number of rounds to the scores after them, where they were measured."""
        return {
            int(name.removeprefix(_EVALUATE_ONLINE)): result
            for name, result in sorted(self._stages.all_results().items())
            if name.startswith(_EVALUATE_ONLINE)
        }

    def _scores(self) -> dict[str, dict]:
        """Row to the scores of its seeds that are there, put together."""
        found: dict[str, list[dict]] = {}
        for arm, _, name in self._runs("evaluate"):
            if self._stages.has(name):
                found.setdefault(arm.name, []).append(self._stages.result(name))
        if measured := self._online_scores():
            found["online"] = [measured[max(measured)]]
        return {name: pooled(scores) for name, scores in found.items()}

    def _results(self, exported: dict) -> dict:
        """Everything that the page tells."""
        stages = self._stages.all_results()
        trained = {
            arm.name: [
                stages[name] for a, _, name in self._runs("train") if a == arm and name in stages
            ]
            for arm in self._arms
        }
        return {
            "config": asdict(self.config),
            "arms": [asdict(arm) for arm in self._arms],
            "data": stages["data"],
            "trained": {name: runs for name, runs in trained.items() if runs},
            "curves": {
                arm.name: auc_curve(read_metrics(run_folder(self.out, arm.name, 0)))
                for arm in self._arms
                if arm.learner == "q"
            },
            "scores": self._scores(),
            "online": self._rounds(),
            "online_scores": self._online_scores(),
            "exported": exported,
            "errors": self._work.errors,
            "stage_s": {name: result["stage_s"] for name, result in stages.items()},
            "machine": machine(),
            "versions": versions(),
            "commit": code_version()["commit"],
        }
