"""`mtopt benchmark detector`: how well the detector judges, against the labels that it had."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_int, share

COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--out", type=Path, required=True,
                        help="folder of data and results; what is done there is not done "
                             "again")  # fmt: skip
    parser.add_argument("--labels", type=positive_int, nargs="+", default=[100, 500, 2000, 5000],
                        help="labels a task (default 100 500 2000 5000)")  # fmt: skip
    parser.add_argument("--seeds", type=positive_int, default=3, help="detectors each (default 3)")
    parser.add_argument(
        "--episodes", type=positive_int, default=10000, help="to choose labels from"
    )
    parser.add_argument("--pick-place-episodes", type=nonnegative_int, default=0,
                        help="more, of lift-any and place-any alone (default 0)")  # fmt: skip
    parser.add_argument(
        "--test-episodes", type=positive_int, default=4000, help="fresh ones to test on"
    )
    parser.add_argument(
        "--steps", type=positive_int, default=1500, help="gradient steps (default 1500)"
    )
    parser.add_argument("--pair-share", type=share, default=0.5, help="of the labels, in pairs")
    parser.add_argument(
        "--threads", type=nonnegative_int, default=0, help="of torch (default: as many as cores)"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Collects, trains a detector a count and seed, and tests each on fresh episodes."""
    from tqdm import tqdm

    from mtopt_bringup.benchmarks.detector_data import scripted_data
    from mtopt_bringup.stages import Stages
    from mtopt_learning.success.detector import SuccessDetector
    from mtopt_learning.success.held_out import held_out_metrics
    from mtopt_learning.success.labels import truth_labels
    from mtopt_learning.success.teaching import teach
    from mtopt_learning.success.training import SuccessTrainConfig

    names = ("episodes", "pick_place_episodes", "test_episodes", "steps", "pair_share")
    stages = Stages(arguments.out, {name: getattr(arguments, name) for name in names})
    dataset = scripted_data(arguments.out / "train", arguments.episodes, seed=11)
    if arguments.pick_place_episodes:
        dataset = scripted_data(
            arguments.out / "train", arguments.episodes + arguments.pick_place_episodes, seed=11,
            offered=("lift-any", "place-any"),
        )  # fmt: skip
    test = scripted_data(arguments.out / "test", arguments.test_episodes, seed=99)
    truth, _ = truth_labels(test)

    def quality(labels: int, seed: int) -> dict:
        folder = arguments.out / "detectors" / f"{labels}_{seed}"
        config = SuccessTrainConfig(
            steps=arguments.steps, labels_per_task=labels, pair_share=arguments.pair_share,
            threads=arguments.threads, seed=seed,
        )  # fmt: skip
        with tqdm(total=config.steps, desc=f"{labels} labels, seed {seed}", unit="step") as bar:
            teach(dataset, folder, config, progress=lambda _: bar.update())
        detector = SuccessDetector.load(folder, test.tasks, test.cameras)
        return held_out_metrics(test, detector, truth)

    curve = {}
    for labels in arguments.labels:
        runs = [
            stages.run(f"labels_{labels:05d}_seed_{seed}", lambda n=labels, s=seed: quality(n, s))
            for seed in range(arguments.seeds)
        ]
        curve[labels] = {name: pooled([r["tasks"][name] for r in runs]) for name in dataset.tasks}
    return {
        "episodes": dataset.n_episodes,
        "test_episodes": test.n_episodes,
        "seeds": arguments.seeds,
        "labels": curve,
    }


def pooled(runs: list[dict]) -> dict:
    """The mean detector of several, which judged the same episodes.

    Counts are means over the runs, rounded; intervals are those of one run of these counts, since
    the same episodes judged again are no more evidence. `*_worst` is the worst of the runs.
    """
    import numpy as np

    from mtopt_learning.success.metrics import confusion

    tp, fp, fn, tn = (round(float(np.mean([run[name] for run in runs]))) for name in COUNTS)
    said = np.repeat([True, True, False, False], [tp, fp, fn, tn])
    label = np.repeat([True, False, True, False], [tp, fp, fn, tn])
    own = [run["own"]["false_positive_rate"] for run in runs]
    return {
        **confusion(said, label),
        "false_positive_rate_worst": max(run["false_positive_rate"] for run in runs),
        "false_positive_rate_own": float(np.mean(own)),
        "calibration_error": float(np.mean([run["calibration_error"] for run in runs])),
        "threshold_chosen_by": sorted({run["threshold_chosen_by"] for run in runs}),
    }
