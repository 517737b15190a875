"""The whole way once, as stages: each leaves its result on disk and is not run twice."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.in_process import CollectConfig
from mtopt_bringup.policies import QFUNCTION
from mtopt_bringup.ros_cell import run_cell
from mtopt_bringup.rounds import (
    RoundConfig,
    RoundFolders,
    collect_episodes,
    even_robots,
    run_round,
    train_on,
)
from mtopt_bringup.run_folder import start_run
from mtopt_bringup.stages import Stages, write_json
from mtopt_control.schedule.schedule_config import BOOTSTRAP
from mtopt_learning.bag.find import find_bags
from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.evaluate.scores import score_tasks
from mtopt_learning.report.page import ReportInputs, build_report
from mtopt_learning.success.detector import SuccessDetector
from mtopt_learning.success.labelling import label_episodes
from mtopt_learning.success.teaching import teach
from mtopt_learning.success.training import SuccessTrainConfig
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.learning_rate import FINAL_SHARE
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_learning.train.trainer import Trainer
from mtopt_sim.cell import cell_tasks
from mtopt_spec.resources import share_dir

MODEL = share_dir() / "models" / "bin_cell"
"""The twelve-task checkpoint that the repository has; its README is its model card."""


@dataclass(frozen=True)
class DemonstrationConfig:
    """How long and how much.

    Attributes:
        minutes: All stages together; the learning takes what the others leave of it.
        robots: Of the ROS cell.
        cell_episodes: Of each of the ROS runs that are compared.
        collect_episodes: Scripted ones, in-process; fewer where `collect_share` is over first.
        collect_share: Of `minutes`, at most this part goes into them.
        shipped: Begin with the model in the repository, which drives the cell too; else learn
            from scratch.
        round_episodes: Of each round with the learned policy.
        tasks: That are offered and learned.
        first_share: Of the learning's time, at most this part goes before the first round;
            fine-tuning takes `round_steps` there, if that is less.
        round_steps: Gradient steps after each round.
        epsilon, noise: Exploration in rounds; see `ActConfig`.
        seed: Of every random draw.
    """

    minutes: float = 14.0
    robots: int = 7
    cell_episodes: int = 56
    collect_episodes: int = 5000
    collect_share: float = 0.25
    shipped: bool = True
    round_episodes: int = 300
    tasks: tuple[str, ...] = ("lift-any",)
    first_share: float = 0.25
    round_steps: int = 400
    epsilon: float = 0.02
    noise: float = 0.05
    seed: int = 0


class Demonstration:
    """Collects, learns, compares, reports.

    Args:
        out: Folder of everything.
        config: How long and how much; a second call into the same folder must have the same.

    Raises:
        InputError: The folder holds a demonstration of other settings.
    """

    def __init__(self, out: Path, config: DemonstrationConfig):
        self.out, self.config = out.resolve(), config
        self._tasks = cell_tasks()
        self._tasks.subset(config.tasks)
        self.bags, self.data = self.out / "bags", self.out / "data"
        self.detector, self.run_folder = self.out / "detector", self.out / "run"
        self._stages = Stages(self.out, asdict(config))

    def run(self) -> dict:
        """Runs all stages that are not done yet; returns the comparison."""
        stage = self._stages.run
        compared = {"scripted": stage("1_cell_scripted", partial(self._cell, "scripted"))}
        if self.config.shipped:
            compared["shipped"] = stage("1_cell_shipped", partial(self._cell, "shipped", MODEL))
        scripted = compared["scripted"]
        stage("2_collect", self._collect)
        stage("3_dataset", self._build)
        stage("4_detector", self._train_detector)
        stage("5_train", lambda: self._train_first(reserve_s=self._reserve_s(scripted)))
        rounds = 0
        while self._stages.has(f"6_round_{rounds + 1:02d}") or self._time_for_round(scripted):
            rounds += 1
            stage(f"6_round_{rounds:02d}", partial(self._round, rounds))
        learned = self.run_folder / CHECKPOINT
        compared["learned"] = stage("7_cell_learned", partial(self._cell, "learned", learned))
        report = stage("8_report", partial(self._report, tuple(compared)))
        return {
            **{name: cell["score"] for name, cell in compared.items()},
            "rounds": rounds,
            "seconds": round(self._stages.elapsed_s(), 1),
            "report": report["report"],
        }

    # -- stages ---------------------------------------------------------------------------------

    def _reserve_s(self, scripted: dict) -> float:
        """For the second ROS run, which computes Q and draws a video besides, and the report."""
        return 1.3 * scripted["stage_s"] + 35.0

    def _left_s(self, scripted: dict) -> float:
        return 60 * self.config.minutes - self._stages.elapsed_s() - self._reserve_s(scripted)

    def _time_for_round(self, scripted: dict) -> bool:
        rounds = [r["stage_s"] for n, r in self._stages.results.items() if n.startswith("6_round")]
        return self._left_s(scripted) > (max(rounds) if rounds else 45.0)

    def _cell(self, policy: str, checkpoint: Path | None = None) -> dict:
        """Runs the ROS cell; scored by the simulator's truth, whatever the reward is."""
        config, name = self.config, f"cell_{policy}"
        out = self.bags / name
        start = start_run(out, config.seed + 1, f"cell-{policy}")
        learned = policy == "learned"
        options = CellOptions(
            robots=config.robots, episodes=config.cell_episodes, out=str(out), seed=start.seed,
            tasks=config.tasks, policy=QFUNCTION if checkpoint else BOOTSTRAP, run=start.run,
            checkpoint=str(checkpoint or ""),
            detector=str(self.detector) if learned else "",
            video=str(self.out / "cell.mp4") if learned else "",
        )  # fmt: skip
        result = run_cell(options).result()
        if "failure" in result:
            raise RuntimeError(f"the ROS cell failed: {result['failure']}; see {out / 'logs'}")
        if result.pop("exit_code", 0):
            raise KeyboardInterrupt
        scores = self._score(out)
        write_json(self.out / f"{name}.json", {**result, "name": name})
        write_json(self.out / f"{name}_score.json", {**scores, "policy": name})
        return {**result, "score": scores}

    def _score(self, bags: Path) -> dict:
        """Each task's success in bags, by the simulator's truth."""
        folder = self.out / "scores" / bags.name
        build_dataset(find_bags([bags]), folder, self._tasks.names)
        dataset = Dataset.open(folder)
        truth = dataset.labels("simulator")
        counts = {}
        for name in self.config.tasks:
            task = self._tasks.index_of(name)
            own = truth[dataset.episode_task == task, task]
            counts[name] = (len(own), int((own >= 0.5).sum()))
        return score_tasks(counts)

    def _collect(self) -> dict:
        """In parts, each of which stays: as many as fit into the time.

        The first part offers all tasks, the others the first one alone: most data is of the
        easiest task, as in the paper.
        """
        config, out = self.config, self.bags / "scripted"
        part = min(1250, config.collect_episodes)
        began_s, parts = time.monotonic(), []
        while len(parts) * part < config.collect_episodes:
            start = start_run(out, config.seed, "scripted")
            parts.append(
                collect_episodes(
                    CollectConfig(
                        robots=even_robots(config.robots), episodes=part, out=out, seed=start.seed,
                        tasks=config.tasks[:1] if parts else config.tasks, run=start.run,
                    )
                )
            )  # fmt: skip
            each_s = (time.monotonic() - began_s) / len(parts)
            if each_s * (len(parts) + 0.5) > config.collect_share * 60 * config.minutes:
                break
        return {"parts": parts}

    def _build(self) -> dict:
        return build_dataset(find_bags([self.bags]), self.data, self._tasks.names)

    def _train_detector(self) -> dict:
        """From the simulator's labels, a person's stand-in; then it judges every episode."""
        dataset = Dataset.open(self.data)
        # one thread: of so small a network two wait for each other where other work goes on
        settings = SuccessTrainConfig(seed=self.config.seed, threads=1)
        taught = teach(dataset, self.detector, settings, sources=("simulator",))
        label_episodes(dataset, SuccessDetector.load(self.detector, dataset.tasks, dataset.cameras))
        return {"tasks": {name: taught["tasks"].get(name) for name in self.config.tasks}}

    def _train_first(self, reserve_s: float) -> dict:
        config = self.config
        settings = TrainConfig(
            tasks=config.tasks, seed=config.seed, threads=len(os.sched_getaffinity(0))
        )
        dataset = Dataset.open(self.data)
        start = load_q_function(MODEL, self._tasks.names).network if config.shipped else None
        trainer = Trainer(self._tasks, dataset.cameras, settings, start and start.config)
        left_s = 60 * config.minutes - self._stages.elapsed_s() - reserve_s
        limits = {"seconds": max(5.0, config.first_share * left_s)}
        if start is not None:
            trainer.start_from(start)
            # it goes on at the rate at which it was left
            rate = FINAL_SHARE * settings.learning_rate
            trainer.set_config(replace(settings, learning_rate=rate))
            limits["steps"] = config.round_steps
        return train_on(trainer, dataset, self.run_folder, **limits)

    def _round(self, number: int) -> dict:
        """The learned policy collects, the detector judges, the Q-function learns on."""
        config = self.config
        settings = RoundConfig(
            tasks=config.tasks, episodes=config.round_episodes, steps=config.round_steps,
            epsilon=config.epsilon, noise=config.noise, robots=config.robots, seed=config.seed,
        )  # fmt: skip
        folders = RoundFolders(self.bags, self.data, self.run_folder, self.detector)
        return run_round(number, folders, settings, self._tasks)

    def _report(self, policies: tuple[str, ...]) -> dict:
        names = [f"cell_{policy}" for policy in policies]
        self._build()
        return build_report(
            ReportInputs(
                dataset=self.data, run=self.run_folder, detector=self.detector,
                evaluations=[self.out / f"{name}_score.json" for name in names],
                cells=[self.out / f"{name}.json" for name in names],
                title="mtopt demo", seed=self.config.seed,
            ),
            self.out / "report.html",
        )  # fmt: skip


def comparison_table(result: dict) -> str:
    """The result of a demonstration, for people."""
    policies = [policy for policy in ("scripted", "shipped", "learned") if policy in result]
    lines = ["".join([f"{'task':12}", *(f" {policy:>28}" for policy in policies)])]
    for name in result["learned"]["tasks"]:
        line = f"{name:12}"
        for policy in policies:
            row = result[policy]["tasks"][name]
            rate = row["successes"] / row["attempts"] if row["attempts"] else float("nan")
            interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
            text = f"{row['successes']}/{row['attempts']} = {rate:.2f} {interval}"
            line += f" {text:>28}"
        lines.append(line)
    lines.append("success by the simulator's truth, 95 % intervals, in the ROS cell")
    return "\n".join(lines)
