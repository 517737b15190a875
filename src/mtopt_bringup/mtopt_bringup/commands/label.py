"""`mtopt label`: the detector judges every episode for every task."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Judge every episode of a data set for every task with the success detector."
EXAMPLE = "mtopt label dataset --detector runs/detector"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("dataset", type=Path, help="folder that `mtopt dataset build` wrote")
    parser.add_argument("--detector", type=Path, required=True, help="folder of the detector")


def run(arguments: argparse.Namespace) -> dict:
    """Writes the labels beside the data set and counts successes."""
    from tqdm import tqdm

    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.success.detector import SuccessDetector
    from mtopt_learning.success.labelling import judged_before, label_episodes

    dataset = Dataset.open(arguments.dataset)
    detector = SuccessDetector.load(arguments.detector, dataset.tasks, dataset.cameras)
    before = judged_before(dataset, detector)
    with tqdm(total=dataset.n_episodes, initial=before, desc="label", unit="episode") as bar:
        judged = label_episodes(dataset, detector, bar.update)
    successes = (dataset.labels("detector") >= 0.5).sum(0)
    return {
        "episodes": dataset.n_episodes,
        "judged": judged,
        "detector": detector.fingerprint,
        "tasks": {
            name: {"episodes": dataset.n_episodes, "successes": int(count)}
            for name, count in zip(dataset.tasks, successes, strict=True)
        },
    }
