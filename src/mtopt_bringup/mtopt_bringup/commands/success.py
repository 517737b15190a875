"""`mtopt success`: teaches and tests the success detector, and asks for the labels it needs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_int, proper_share, share
from mtopt_bringup.result_text import as_text

SUMMARY = "Teach and test the success detector; pick the episodes whose label helps it most."
EXAMPLE = "mtopt success train dataset --out runs/detector"
_SOURCES = ("person", "import", "simulator")
_TOLD = (
    "labels", "precision", "recall", "false_positive_rate", "calibration_error", "threshold",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subparser an action."""
    choices = parser.add_subparsers(
        dest="action", required=True, metavar="train|eval|uncertain|import"
    )
    train = choices.add_parser("train", help="learn from labelled last states")
    train.add_argument("--out", type=Path, required=True, help="folder of the detector")
    train.add_argument("--from", type=Path, dest="start", metavar="DETECTOR",
                       help="go on from its weights and settings, with its labels and new "
                            "ones")  # fmt: skip
    train.add_argument("--ask", type=Path, metavar="CSV",
                       help="add only labels of this list, which `uncertain` wrote")  # fmt: skip
    train.add_argument("--steps", type=positive_int, help="gradient steps (default 400)")
    train.add_argument(
        "--labels-per-task", type=positive_int, help="at most so many (default 5000)"
    )
    train.add_argument("--pair-share", type=share,
                       help="in pairs of success and near miss (default 0.5)")  # fmt: skip
    train.add_argument("--false-positive-rate", type=proper_share,
                       help="that the thresholds hold to (default 0.02)")  # fmt: skip
    train.add_argument("--validation-share", type=share, help="of the episodes (default 0.2)")
    train.add_argument("--first-image", action="store_const", const=True,
                       help="let it see first pictures, too; for recorded episodes")  # fmt: skip
    train.add_argument("--seed", type=nonnegative_int)
    train.add_argument(
        "--threads", type=nonnegative_int, help="of torch (default: as many as cores)"
    )
    test = choices.add_parser("eval", help="compare with labels of episodes that training left out")
    ask = choices.add_parser("uncertain", help="list the end states to be judged by a person")
    ask.add_argument("--out", type=Path, required=True, help="CSV file to write")
    ask.add_argument("--per-task", type=positive_int, default=20, help="at most (default 20)")
    ask.add_argument(
        "--count", type=positive_int, help="at most, over all tasks (default: no limit)"
    )
    ask.add_argument(
        "--first-episode", type=nonnegative_int, default=0, help="only from this one on"
    )
    ask.add_argument("--pictures", type=Path, help="folder for the pictures to look at")
    ask.add_argument("--seed", type=nonnegative_int, default=0)
    take = choices.add_parser("import", help="take labels from a CSV file")
    take.add_argument("--source", choices=("person", "import"), default="import",
                      help="who judged (default import)")  # fmt: skip
    for sub in (test, ask):
        sub.add_argument("--detector", type=Path, required=True, help="folder of the detector")
    for sub in (train, test):
        sub.add_argument("--labels", choices=_SOURCES, nargs="+", default=list(_SOURCES),
                         help="whose judgement is true, best first (default: all)")  # fmt: skip
    for sub in (train, test, ask, take):
        sub.add_argument("dataset", type=Path, help="folder that `mtopt dataset build` wrote")
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    take.add_argument("file", type=Path, help="columns episode_id, task, success (0, 1, or empty)")


def run(arguments: argparse.Namespace) -> dict:
    """Runs the chosen action."""
    from mtopt_learning.dataset.cache import Dataset

    actions = {"train": _train, "eval": _eval, "uncertain": _uncertain, "import": _import}
    return actions[arguments.action](arguments, Dataset.open(arguments.dataset))


def text(result: dict) -> str:
    """The result; of a task's measures those that tell whether its labels can be trusted."""
    tasks = {
        name: {key: task[key] for key in _TOLD if key in task} if "precision" in task else task
        for name, task in result["tasks"].items()
    }
    return as_text({**result, "tasks": tasks})


def _train(arguments: argparse.Namespace, dataset) -> dict:
    from tqdm import tqdm

    from mtopt_learning.success.labels import listed
    from mtopt_learning.success.teaching import teach
    from mtopt_learning.success.training import SuccessTrainConfig

    start = _load(arguments.start, dataset) if arguments.start else None
    names = (
        "steps", "labels_per_task", "pair_share", "false_positive_rate", "validation_share",
        "first_image", "seed", "threads",
    )  # fmt: skip
    given = {name: getattr(arguments, name) for name in names}
    config = replace(
        start.training if start else SuccessTrainConfig(),
        **{name: value for name, value in given.items() if value is not None},
    )
    with tqdm(total=config.steps, desc="success train", unit="step") as bar:
        return teach(
            dataset, arguments.out, config, sources=arguments.labels, start=start,
            offered=listed(arguments.ask, dataset) if arguments.ask else None,
            progress=lambda _: bar.update(),
        )  # fmt: skip


def _eval(arguments: argparse.Namespace, dataset) -> dict:
    from mtopt_learning.success.held_out import held_out_metrics
    from mtopt_learning.success.labels import truth_labels
    from mtopt_learning.success.metrics import mean_accuracy

    detector = _load(arguments.detector, dataset)
    result = held_out_metrics(dataset, detector, truth_labels(dataset, arguments.labels)[0])
    return {
        "detector": str(arguments.detector),
        "fingerprint": detector.fingerprint,
        **result,
        "accuracy": mean_accuracy(result["tasks"]),
    }


def _uncertain(arguments: argparse.Namespace, dataset) -> dict:
    from mtopt_learning.success.question_list import write_questions
    from mtopt_learning.success.teaching import questions_for
    from mtopt_learning.success.uncertain import most_helpful

    detector = _load(arguments.detector, dataset)
    questions = questions_for(
        dataset, detector, arguments.per_task, first_episode=arguments.first_episode,
        seed=arguments.seed,
    )  # fmt: skip
    if arguments.count is not None:
        questions = most_helpful(questions, arguments.count)
    write_questions(arguments.out, dataset, questions, arguments.pictures)
    counts = {name: {} for name in dataset.tasks}
    for question in questions:
        of_task = counts[dataset.tasks[question.task]]
        of_task[question.why] = of_task.get(question.why, 0) + 1
    return {"list": str(arguments.out), "questions": len(questions), "tasks": counts}


def _import(arguments: argparse.Namespace, dataset) -> dict:
    import numpy as np

    from mtopt_learning.success.labels import read_label_file

    labels = read_label_file(arguments.file, dataset)
    known = np.isfinite(labels)
    before = dataset.labels(arguments.source)
    dataset.write_labels(
        arguments.source, np.where(known, labels, before), {"file": str(arguments.file)}
    )
    return {
        "source": arguments.source,
        "labels": int(known.sum()),
        "tasks": {
            name: {"labels": int(known[:, t].sum()), "successes": int((labels[:, t] == 1).sum())}
            for t, name in enumerate(dataset.tasks)
        },
    }


def _load(folder: Path, dataset):
    from mtopt_learning.success.detector import SuccessDetector

    return SuccessDetector.load(folder, dataset.tasks, dataset.cameras)
