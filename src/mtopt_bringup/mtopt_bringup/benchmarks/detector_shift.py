"""`mtopt benchmark detector_shift`: a detector is kept up with a cell that has changed.

A detector is taught in the cell as it is. Then the light is another and the shoulder cameras have
been knocked; what it judges now is measured, and again after each turn of a few labels.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--out", type=Path, required=True,
                        help="folder of data and results; what is done there is not done "
                             "again")  # fmt: skip
    parser.add_argument("--episodes", type=positive_int, default=5000, help="before the shift")
    parser.add_argument("--new-episodes", type=positive_int, default=1000, help="after the shift")
    parser.add_argument("--test-episodes", type=positive_int, default=2000, help="to test on, each")
    parser.add_argument(
        "--labels-per-task", type=positive_int, default=1500, help="before the shift"
    )
    parser.add_argument("--new-labels", type=positive_int, default=50, help="a task and turn")
    parser.add_argument("--turns", type=positive_int, default=4, help="of labelling and retraining")
    parser.add_argument("--steps", type=positive_int, default=1500, help="before the shift")
    parser.add_argument("--turn-steps", type=positive_int, default=300, help="a turn")
    parser.add_argument(
        "--threads", type=nonnegative_int, default=0, help="of torch (default: one a core)"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Teaches, shifts, tests, and keeps up."""
    from dataclasses import asdict

    from mtopt_bringup.benchmarks.detector_data import scripted_data
    from mtopt_bringup.benchmarks.shifted_world import Shift, write_shifted_world
    from mtopt_bringup.stages import Stages
    from mtopt_learning.bag.find import find_bags
    from mtopt_learning.dataset.build import build_dataset
    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.success.labels import truth_labels
    from mtopt_learning.success.teaching import KeepUpConfig, keep_up, teach
    from mtopt_learning.success.training import SuccessTrainConfig

    out, shift = arguments.out, Shift()
    names = (
        "episodes", "new_episodes", "test_episodes", "labels_per_task", "new_labels", "steps",
        "turn_steps",
    )  # fmt: skip
    stages = Stages(out, {**{n: getattr(arguments, n) for n in names}, "shift": asdict(shift)})
    world = write_shifted_world(out / "world", shift)
    before = scripted_data(out / "before", arguments.episodes, seed=11)
    after = scripted_data(out / "after", arguments.new_episodes, seed=22, world=world)
    tests = {
        "before": scripted_data(out / "test_before", arguments.test_episodes, seed=99),
        "after": scripted_data(out / "test_after", arguments.test_episodes, seed=24, world=world),
    }

    def quality(folder: Path) -> dict:
        return {name: _quality(folder, data) for name, data in tests.items()}

    def first() -> dict:
        config = SuccessTrainConfig(
            steps=arguments.steps, labels_per_task=arguments.labels_per_task,
            threads=arguments.threads,
        )  # fmt: skip
        teach(before, out / "turn_0", config)
        return quality(out / "turn_0")

    def turn(number: int) -> dict:
        build_dataset(find_bags([before.folder.parent / "bags"]), out / "all", before.tasks)
        build_dataset(find_bags([after.folder.parent / "bags"]), out / "all", before.tasks)
        dataset, folder = Dataset.open(out / "all"), out / f"turn_{number}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(out / f"turn_{number - 1}", folder)
        config = KeepUpConfig(
            labels=arguments.new_labels, steps=arguments.turn_steps, seed=number,
            labels_per_task=arguments.labels_per_task + number * arguments.new_labels,
        )  # fmt: skip
        asked = keep_up(dataset, folder, config, first_episode=before.n_episodes)
        return {**quality(folder), "asked": asked}

    results = [stages.run("turn_0", first)]
    results += [stages.run(f"turn_{n}", lambda n=n: turn(n)) for n in range(1, arguments.turns + 1)]
    truth = truth_labels(after)[0]
    return {
        "shift": asdict(shift),
        "new_successes": dict(zip(after.tasks, (truth >= 0.5).sum(0).tolist(), strict=True)),
        "turns": results,
    }


def _quality(folder: Path, dataset) -> dict:
    """Each task's figures, and the mean of balanced accuracy over tasks."""
    import numpy as np

    from mtopt_learning.success.detector import SuccessDetector
    from mtopt_learning.success.held_out import held_out_metrics
    from mtopt_learning.success.labels import truth_labels

    detector = SuccessDetector.load(folder, dataset.tasks, dataset.cameras)
    tasks = held_out_metrics(dataset, detector, truth_labels(dataset)[0])["tasks"]
    kept = ("accuracy", "accuracy_low", "accuracy_high", "recall", "precision",
            "false_positive_rate")  # fmt: skip
    out = {name: {key: figures[key] for key in kept} for name, figures in tasks.items()}
    for figures in out.values():
        figures["balanced"] = (figures["recall"] + 1 - figures["false_positive_rate"]) / 2
    return {"tasks": out, "balanced": float(np.nanmean([f["balanced"] for f in out.values()]))}
