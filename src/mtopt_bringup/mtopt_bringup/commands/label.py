"""`mtopt label`: the detector judges every episode for every task."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Judge every episode of a data set for every task with the success detector."
EXAMPLE = "mtopt label dataset --detector runs/detector"
_CHUNK = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("dataset", type=Path, help="folder that `mtopt dataset build` wrote")
    parser.add_argument("--detector", type=Path, required=True, help="folder of the detector")


def run(arguments: argparse.Namespace) -> dict:
    """Writes the labels beside the data set and counts successes."""
    import numpy as np
    from tqdm import tqdm

    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.success.detector import SuccessDetector

    dataset = Dataset.open(arguments.dataset)
    detector = SuccessDetector.load(arguments.detector, dataset.tasks, dataset.cameras)
    labels = np.full((dataset.n_episodes, len(dataset.tasks)), np.nan, np.float32)
    with tqdm(total=dataset.n_episodes, desc="label", unit="episode") as bar:
        for first in range(0, dataset.n_episodes, _CHUNK):
            episodes = np.arange(first, min(first + _CHUNK, dataset.n_episodes))
            labels[episodes] = detector.label(dataset, episodes)
            bar.update(len(episodes))
    dataset.write_labels(
        "detector", labels, {"fingerprint": detector.fingerprint, "path": str(arguments.detector)}
    )
    successes = (labels >= 0.5).sum(0)
    return {
        "episodes": dataset.n_episodes,
        "detector": detector.fingerprint,
        "tasks": {
            name: {"episodes": dataset.n_episodes, "successes": int(count)}
            for name, count in zip(dataset.tasks, successes, strict=True)
        },
    }
