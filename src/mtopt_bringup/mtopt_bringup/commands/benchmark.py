"""`mtopt benchmark`: speed, measured as ratios within one run."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

SUMMARY = "Measure speed: ratios within one run, since machines differ and are noisy."
EXAMPLE = "mtopt benchmark collect --json"
BENCHMARKS = {
    "arm": "from an action to its trajectory, tracking in MuJoCo, from a stop to a hold",
    "cell": "control steps a second of the ROS cell, and where the time goes",
    "collect": "episodes a second and core in-process, against bare physics and rendering",
    "bags": "recorder drops, dataset build time, image rate of the cache",
    "scale": "opening and sampling a data set of 800,000 episodes",
    "train": "time of a gradient step, where it goes, and the share of the data path",
    "policy": "latency of the policy, and the gain of tiling embeddings over CEM samples",
    "detector": "quality of the success detector against the labels that it had",
    "detector-shift": "recovery of the detector, by few labels, from another light and camera pose",
    "goals": "Actionable Models' experiment: who reaches goal pictures, and what it is good for",
    "new-task": "two tasks with an object never met: zero-shot, fine-tuned, against new data alone",
    "paper": "MT-Opt's experiment: one data set, MT-Opt beside its baselines, ablations and peers",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subparser a benchmark, filled by its own module."""
    choices = parser.add_subparsers(dest="benchmark", required=True, metavar="benchmark")
    for name, text in BENCHMARKS.items():
        sub = choices.add_parser(name, help=text, description=text)
        _module(name).add_arguments(sub)
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> dict:
    """Runs the chosen benchmark."""
    return _module(arguments.benchmark).run(arguments)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"mtopt_bringup.benchmarks.{name.replace('-', '_')}")
