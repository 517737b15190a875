"""`mtopt success`: trains and tests the success detector."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "Train and test the success detector."
EXAMPLE = "mtopt success train dataset --out runs/detector"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands `train` and `eval`."""
    choices = parser.add_subparsers(dest="action", required=True, metavar="train|eval")
    train = choices.add_parser("train", help="learn from labelled last states")
    train.add_argument("--out", type=Path, required=True, help="folder of the detector")
    train.add_argument("--steps", type=int, help="gradient steps")
    train.add_argument("--validation-share", type=float, help="of the episodes")
    train.add_argument("--seed", type=int)
    train.add_argument("--threads", type=int, help="of torch (default: as many as cores)")
    test = choices.add_parser("eval", help="compare with labels, task by task")
    test.add_argument("--detector", type=Path, required=True, help="folder of the detector")
    test.add_argument("--all", action="store_true",
                      help="all episodes, not only those that training left out")  # fmt: skip
    for sub in (train, test):
        sub.add_argument("dataset", type=Path, help="folder that `mtopt dataset build` wrote")
        sub.add_argument("--labels", choices=("person", "simulator"), default="simulator",
                         help="whose judgement is taken for true")  # fmt: skip
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> dict:
    """Runs the chosen subcommand."""
    from mtopt_learning.dataset.cache import Dataset

    dataset = Dataset.open(arguments.dataset)
    labels = dataset.labels(arguments.labels)
    return (_train if arguments.action == "train" else _eval)(arguments, dataset, labels)


def _train(arguments: argparse.Namespace, dataset, labels) -> dict:
    from tqdm import tqdm

    from mtopt_learning.success.detector import save_detector
    from mtopt_learning.success.training import SuccessTrainConfig, train_detector

    given = {
        "steps": arguments.steps, "validation_share": arguments.validation_share,
        "seed": arguments.seed, "threads": arguments.threads,
    }  # fmt: skip
    config = SuccessTrainConfig(**{key: value for key, value in given.items() if value is not None})
    with tqdm(total=config.steps, desc="success train", unit="step") as bar:
        trained = train_detector(dataset, labels, config, progress=lambda _: bar.update())
    fingerprint = save_detector(
        arguments.out, trained, dataset.tasks, dataset.cameras, config, dataset.fingerprint
    )
    return {
        "detector": str(arguments.out),
        "fingerprint": fingerprint,
        "tasks": trained.metrics,
        "accuracy": _mean_accuracy(trained.metrics),
    }


def _eval(arguments: argparse.Namespace, dataset, labels) -> dict:
    import numpy as np

    from mtopt_learning.checkpoint.folder import load_folder
    from mtopt_learning.success.detector import KIND, SuccessDetector
    from mtopt_learning.success.training import evaluate, validation_mask

    detector = SuccessDetector.load(arguments.detector, dataset.tasks, dataset.cameras)
    episodes = np.arange(dataset.n_episodes)
    if not arguments.all:
        training = load_folder(arguments.detector, KIND).config["settings"]["training"]
        held = validation_mask(len(episodes), training["validation_share"], training["seed"])
        episodes = episodes[held]
    logits = detector.logits(dataset, episodes)
    metrics = evaluate(logits, labels[episodes], detector.calibrations, dataset.tasks)
    return {
        "detector": str(arguments.detector),
        "fingerprint": detector.fingerprint,
        "episodes": len(episodes),
        "tasks": metrics,
        "accuracy": _mean_accuracy(metrics),
    }


def _mean_accuracy(metrics: dict) -> float:
    return sum(task["accuracy"] for task in metrics.values()) / max(len(metrics), 1)
