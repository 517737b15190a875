"""`mtopt train`: a data set in, a multi-task Q-function out."""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import fields, replace
from pathlib import Path

from mtopt_bringup.interrupts import ctrl_c_noted
from mtopt_bringup.number_types import nonnegative_int, positive_float, positive_int, share

SUMMARY = (
    "Train the multi-task Q-function (QT-Opt with impersonation and re-balancing), one of goal "
    "pictures (Actionable Models), or one of both."
)
EXAMPLE = (
    "mtopt train dataset --out runs/lift --minutes 6 --tasks lift-any lift-banana\n"
    "  mtopt train dataset --out runs/goals --steps 6000 --goals"
)

_FIGURES = ("loss", "q", "value", "closing_auc", "goal_loss", "q_hindsight", "q_chained")
_GOAL_BATCH, _BESIDE_BATCH = 128, 64
_log = logging.getLogger("mtopt.train")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments; defaults are those of `TrainConfig`."""
    parser.add_argument("dataset", type=Path, help="folder that `mtopt dataset build` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=positive_int,
                        help="gradient steps to take in this call, with --resume on top of those "
                             "before (default 4000)")  # fmt: skip
    parser.add_argument(
        "--minutes", type=positive_float, help="or so long, whichever is over first"
    )
    parser.add_argument("--tasks", nargs="+", default=[], help="tasks to learn (default: all)")
    parser.add_argument(
        "--tasks-file", type=Path, metavar="YAML",
        help="that the data set was built with (default: params/tasks.yaml)",
    )  # fmt: skip
    parser.add_argument("--backup", choices=("sarsa", "cem_max", "monte_carlo"),
                        help="V(s'): Q of the recorded next action; Q of CEM's action, as "
                             "published; the recorded outcome (default: sarsa)")  # fmt: skip
    parser.add_argument("--network", choices=("small", "published"),
                        help="small (default); published: QT-Opt's, for pictures of 472x472 px "
                             "or more of one camera")  # fmt: skip
    parser.add_argument("--cameras", nargs="+", default=[], metavar="CAMERA",
                        help="those that the network sees (default: all)")  # fmt: skip
    parser.add_argument("--multi-head", action="store_true", default=None,
                        help="one output a task instead of the task as an input")  # fmt: skip
    goals = parser.add_mutually_exclusive_group()
    goals.add_argument("--goals", dest="goals_alone", action="store_true",
                       help="learn to reach goal pictures, without tasks and labels; --batch is "
                            f"of pairs of state and goal (default {_GOAL_BATCH})")  # fmt: skip
    goals.add_argument("--goals-beside", action="store_true",
                       help=f"learn goals beside the tasks, {_BESIDE_BATCH} pairs a step unless "
                            "the settings say otherwise")  # fmt: skip
    parser.add_argument("--goal-join", choices=("input", "late"),
                        help="where a goal picture joins the network (default: input)")  # fmt: skip
    parser.add_argument("--sharing", help="which episodes count for which task: f_orig, f_all, "
                        "f_skill (default) or module:function, of a file module.py in the "
                        "working directory or an installed package")  # fmt: skip
    parser.add_argument("--balance", choices=("rebalanced", "uniform"),
                        help="how batches are made up (default rebalanced)")  # fmt: skip
    parser.add_argument("--success-share", type=share, help="of re-balanced batches")
    parser.add_argument(
        "--tasks-per-state", type=positive_int, help="tasks each drawn state is used for"
    )
    parser.add_argument("--recent-share", type=share,
                        help="share of re-balanced batches from the newest episodes")  # fmt: skip
    parser.add_argument(
        "--recent-episodes", type=positive_int, help="how many episodes count as newest"
    )
    parser.add_argument("--labels", choices=("best", "person", "simulator", "detector"),
                        default="best", help="whose judgement is the reward")  # fmt: skip
    parser.add_argument("--distortion", choices=("gain", "published", "none"),
                        help="random light in training: a gain of colours (default); brightness, "
                             "contrast, saturation and hue, as published; none")  # fmt: skip
    parser.add_argument(
        "--shift-px", type=nonnegative_int, help="largest random shift of a picture"
    )
    parser.add_argument("--updater", choices=("inline", "process"),
                        help="who labels with Bellman targets: the trainer itself (default), or a "
                             "process beside it")  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"),
                        help="auto (default): CUDA where there is one")  # fmt: skip
    parser.add_argument("--settings", type=Path, metavar="FILE",
                        help="YAML of any settings of training, by the names in TrainConfig; "
                             "other options go before it")  # fmt: skip
    parser.add_argument("--batch", type=nonnegative_int)
    parser.add_argument("--learning-rate", type=positive_float)
    parser.add_argument("--seed", type=nonnegative_int)
    parser.add_argument(
        "--threads", type=nonnegative_int, help="of torch (default: as many as cores)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, on this (perhaps grown) data set",
    )
    parser.add_argument("--from", dest="start", type=Path, metavar="CHECKPOINT",
                        help="fine-tune: begin with the weights of a checkpoint of these tasks "
                             "or of goals, models/bin_cell for example")  # fmt: skip
    parser.add_argument(
        "--save-every", type=positive_int, default=1000, help="steps between checkpoints"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Trains, saves as it goes and when it is interrupted, and gives the last figures."""
    from mtopt_learning.checkpoint.folder import check_checkpoint
    from mtopt_learning.checkpoint.q_function import KIND, load_q_function
    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.train.config import TrainConfig
    from mtopt_learning.train.new_tasks import tasks_as_goal
    from mtopt_learning.train.run_folder import (
        CHECKPOINT,
        MetricsFile,
        can_resume,
        load_run,
        save_run,
    )
    from mtopt_learning.train.trainer import Trainer
    from mtopt_spec.errors import InputError
    from mtopt_spec.resources import share_dir
    from mtopt_spec.task import load_tasks

    tasks = load_tasks(arguments.tasks_file or share_dir() / "params" / "tasks.yaml")
    resuming = arguments.resume and can_resume(arguments.out)
    if can_resume(arguments.out) and not arguments.resume:
        raise InputError(
            "--out", where=arguments.out, got="a training run", expected="a new folder",
            todo="add --resume to go on with it, or name another folder",
        )  # fmt: skip
    check_checkpoint(arguments.out / CHECKPOINT, KIND)
    dataset = Dataset.open(arguments.dataset)
    if resuming:
        trainer = load_run(arguments.out, tasks)
        trainer.set_config(_settings(arguments, trainer.config))
    else:
        if arguments.resume:
            _log.warning("--resume: no run in %s; a new one is begun", arguments.out)
        config = _settings(arguments, TrainConfig())
        start = None
        if arguments.start is not None:
            checkpoint = load_q_function(arguments.start, tasks.names)
            start = checkpoint.network
            if checkpoint.goals_alone and config.batch:
                start = tasks_as_goal(start, tasks.included())
            if start.goal_cameras and arguments.goal_join is None and arguments.settings is None:
                config = replace(config, goals=replace(config.goals, join=start.config.goal_join))
        trainer = Trainer(tasks, dataset.cameras, config, start and start.config)
        if start is not None:
            trainer.start_from(start)
    trainer.set_data(dataset, dataset.labels(arguments.labels))
    for name, (failures, successes) in trainer.counts.items():
        if failures + successes:
            _log.info("%s: %d successes, %d failures", name, successes, failures)
    steps = arguments.steps or (None if arguments.minutes else 4000)
    deadline_s = time.monotonic() + 60 * arguments.minutes if arguments.minutes else None
    record, metrics = {}, MetricsFile(arguments.out, trainer.step)

    def write(new: dict) -> None:
        record.update(new)
        metrics(new)

    def save() -> str:
        return save_run(arguments.out, trainer, _figures(record))

    try:
        done = _train(trainer, steps, deadline_s, arguments.save_every, write, save)
        fingerprint = save()
    finally:
        trainer.close()
    if not done:
        _log.warning("interrupted and saved at step %d; --resume goes on", trainer.step)
    return {
        "steps": trainer.step,
        "seconds": trainer.seconds,
        "device": str(trainer.device),
        "checkpoint": str(arguments.out / "checkpoint"),
        "fingerprint": fingerprint,
        **_figures(record),
        "exit_code": 0 if done else 130,
    }


def _train(
    trainer, steps: int | None, deadline_s: float | None, save_every: int, write, save
) -> bool:
    """Takes the steps, saving as it goes; False where Ctrl-C ended it, at the end of a step."""
    from tqdm import tqdm

    last = None if steps is None else trainer.step + steps
    with tqdm(total=steps, desc="train", unit="step") as bar, ctrl_c_noted() as noted:

        def stepped(_: int) -> None:
            bar.update()
            if noted:
                raise KeyboardInterrupt

        while True:
            burst = save_every if last is None else min(save_every, last - trainer.step)
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            if burst <= 0 or (left_s is not None and left_s <= 0):
                return True
            begun_s = time.monotonic() - trainer.seconds
            try:
                trainer.train(burst, left_s, write, log_every=100, progress=stepped)
            except KeyboardInterrupt:
                trainer.seconds = time.monotonic() - begun_s
                return False
            save()


def _settings(arguments: argparse.Namespace, config):
    """The configuration with what the file and the command line ask for."""
    from mtopt_learning.qlearn.distortion import PUBLISHED, DistortionConfig
    from mtopt_learning.train.settings_file import read_settings

    if arguments.settings is not None:
        config = read_settings(arguments.settings, config)
    distortion = {
        None: config.distortion, "gain": DistortionConfig(), "published": PUBLISHED,
        "none": DistortionConfig(gain=0.0),
    }[arguments.distortion]  # fmt: skip
    if arguments.shift_px is not None:
        distortion = replace(distortion, shift_px=arguments.shift_px)
    updater = config.updater
    if arguments.updater is not None:
        updater = replace(updater, kind=arguments.updater)
    config = replace(config, distortion=distortion, updater=updater)
    config = replace(config, sampler=_given(config.sampler, arguments))
    alone = arguments.goals_alone or not config.batch
    return _with_goals(_given(config, arguments), arguments, alone)


def _with_goals(config, arguments: argparse.Namespace, alone: bool):
    """The configuration with what the command line says of goals, or `alone` of nothing else."""
    from mtopt_spec.errors import InputError

    goals = config.goals
    if arguments.goal_join is not None:
        goals = replace(goals, join=arguments.goal_join)
    if alone:
        if arguments.tasks:
            raise InputError(
                "--tasks", where="--goals", got=arguments.tasks, expected="none: goals are no task",
                todo="learn goals beside tasks with --goals-beside",
            )  # fmt: skip
        if arguments.goals_beside:
            raise InputError(
                "--goals-beside", where="arguments", got="a run of goals alone",
                expected="one of tasks", todo="begin a new one with --from its checkpoint",
            )  # fmt: skip
        goals = replace(goals, batch=arguments.batch or goals.batch or _GOAL_BATCH)
        return replace(config, goals=goals, batch=0, tasks=())
    if arguments.goals_beside:
        goals = replace(goals, batch=goals.batch or _BESIDE_BATCH)
    return replace(config, goals=goals)


def _given(config, arguments: argparse.Namespace):
    """The dataclass with those of its fields that the command line names, and no nested ones."""
    names = {f.name for f in fields(config)} - {"distortion", "updater", "sampler", "cem", "goals"}
    given = {name: getattr(arguments, name, None) for name in names}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return replace(config, **{k: v for k, v in given.items() if v not in (None, ())})


def _figures(record: dict) -> dict:
    """What is kept with a checkpoint and printed."""
    return {key: record[key] for key in _FIGURES if key in record}
