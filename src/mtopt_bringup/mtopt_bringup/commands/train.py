"""`mtopt train`: a data set in, a multi-task Q-function out."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

SUMMARY = "Train the multi-task Q-function (QT-Opt with impersonation and re-balancing)."
EXAMPLE = "mtopt train dataset --out runs/lift --minutes 6 --tasks lift-any lift-banana"

_log = logging.getLogger("mtopt.train")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments; defaults are those of `TrainConfig`."""
    parser.add_argument("dataset", type=Path, help="folder that `mtopt dataset build` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, help="gradient steps to take (default 4000)")
    parser.add_argument("--minutes", type=float, help="or so long, whichever is over first")
    parser.add_argument("--tasks", nargs="+", default=[], help="tasks to learn (default: all)")
    parser.add_argument("--backup", choices=("sarsa", "cem_max", "monte_carlo"),
                        help="V(s'): Q of the recorded next action; Q of CEM's action, as "
                             "published; the recorded outcome (default: sarsa)")  # fmt: skip
    parser.add_argument("--multi-head", action="store_true", default=None,
                        help="one output a task instead of the task as an input")  # fmt: skip
    parser.add_argument("--sharing", help="which episodes count for which task: f_orig, f_all, "
                        "f_skill (default) or module:function")  # fmt: skip
    parser.add_argument("--balance", choices=("rebalanced", "uniform"),
                        help="how batches are made up (default rebalanced)")  # fmt: skip
    parser.add_argument("--success-share", type=float, help="of re-balanced batches")
    parser.add_argument("--tasks-per-state", type=int, help="tasks each drawn state is used for")
    parser.add_argument("--recent-share", type=float,
                        help="share of re-balanced batches from the newest episodes")  # fmt: skip
    parser.add_argument("--recent-episodes", type=int, help="how many episodes count as newest")
    parser.add_argument("--labels", choices=("best", "person", "simulator", "detector"),
                        default="best", help="whose judgement is the reward")  # fmt: skip
    parser.add_argument("--batch", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int, help="of torch (default: as many as cores)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, on this (perhaps grown) data set",
    )
    parser.add_argument("--save-every", type=int, default=1000, help="steps between checkpoints")


def run(arguments: argparse.Namespace) -> dict:
    """Trains, saves as it goes, and gives the last figures."""
    import time

    from tqdm import tqdm

    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.train.config import TrainConfig
    from mtopt_learning.train.run_folder import MetricsFile, can_resume, load_run, save_run
    from mtopt_learning.train.trainer import Trainer
    from mtopt_spec.errors import InputError
    from mtopt_spec.resources import share_dir
    from mtopt_spec.task import load_tasks

    tasks = load_tasks(share_dir() / "params" / "tasks.yaml")
    dataset = Dataset.open(arguments.dataset)
    resuming = arguments.resume and can_resume(arguments.out)
    if can_resume(arguments.out) and not arguments.resume:
        raise InputError(
            "--out", where=arguments.out, got="a training run", expected="a new folder",
            todo="add --resume to go on with it, or name another folder",
        )  # fmt: skip
    if resuming:
        trainer = load_run(arguments.out, tasks)
        trainer.set_config(_settings(arguments, trainer.config))
    else:
        config = _settings(arguments, TrainConfig())
        trainer = Trainer(tasks, dataset.cameras, config)
    trainer.set_data(dataset, dataset.labels(arguments.labels))
    for name, (failures, successes) in trainer.counts.items():
        if failures + successes:
            _log.info("%s: %d successes, %d failures", name, successes, failures)
    steps = arguments.steps or (None if arguments.minutes else 4000)
    deadline = time.monotonic() + 60 * arguments.minutes if arguments.minutes else None
    first, write, record = trainer.step, MetricsFile(arguments.out, trainer.step), {}
    with tqdm(total=steps, desc="train", unit="step") as bar:
        while True:
            done = trainer.step - first
            left_s = None if deadline is None else deadline - time.monotonic()
            if (steps is not None and done >= steps) or (left_s is not None and left_s <= 0):
                break
            burst = min(arguments.save_every, steps - done if steps else arguments.save_every)
            record = trainer.train(
                burst, left_s, write, log_every=100, progress=lambda _: bar.update()
            )
            save_run(arguments.out, trainer, _figures(record))
    fingerprint = save_run(arguments.out, trainer, _figures(record))
    return {
        "steps": trainer.step,
        "seconds": trainer.seconds,
        "checkpoint": str(arguments.out / "checkpoint"),
        "fingerprint": fingerprint,
        **_figures(record),
    }


def _settings(arguments: argparse.Namespace, config):
    """The configuration with what the command line asks for."""
    given = {
        "backup": arguments.backup, "sharing": arguments.sharing, "batch": arguments.batch,
        "learning_rate": arguments.learning_rate, "seed": arguments.seed,
        "threads": arguments.threads, "multi_head": arguments.multi_head,
        "tasks": tuple(arguments.tasks) or None,
    }  # fmt: skip
    sampling = {
        "balance": arguments.balance, "success_share": arguments.success_share,
        "tasks_per_state": arguments.tasks_per_state, "recent_share": arguments.recent_share,
        "recent_episodes": arguments.recent_episodes,
    }  # fmt: skip
    sampler = replace(config.sampler, **{k: v for k, v in sampling.items() if v is not None})
    return replace(config, sampler=sampler, **{k: v for k, v in given.items() if v is not None})


def _figures(record: dict) -> dict:
    """What is kept with a checkpoint and printed."""
    return {key: record[key] for key in ("loss", "q", "value", "closing_auc") if key in record}
