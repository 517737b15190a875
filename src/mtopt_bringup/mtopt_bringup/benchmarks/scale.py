"""`mtopt benchmark scale`: opening and sampling a data set of the published size."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from tqdm import tqdm

from mtopt_bringup.benchmarks.synthetic_dataset import write_synthetic
from mtopt_bringup.number_types import positive_int
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir
from mtopt_spec.task import load_tasks

_LOG = logging.getLogger("mtopt.benchmark.scale")
_BATCH = 256
_DRAWS = 2000
_TASKS = share_dir() / "params" / "tasks.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much."""
    parser.add_argument(
        "--episodes",
        type=positive_int,
        default=800_000,
        help="5 to 15 steps each (default 800,000)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="keep the data set here and use it again"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Writes a synthetic data set of the cell's tasks and opens it in a fresh process.

    Tables, labels and manifest are written in full. The pictures' files have their full length
    but are sparse: no block of them is on the disk, and none is read.

    Returns:
        `open_s`: from the folder to the first possible draw, as a trainer goes (tables mapped,
        labels of all sources merged, impersonation by skill, pools of the sampler), the file's
        pages being in the system's cache; `rss_gb`: resident memory of that process after all
        draws, its libraries (`rss_before_gb`) included; `sample_ms`: median time of a re-balanced
        batch of 256 index rows, with `sample_p99_ms`; `uniform_ms`: of a uniform one; and the
        data's size.
    """
    if arguments.episodes < 1000:
        raise InputError(
            "--episodes", where="arguments", got=arguments.episodes, expected="1000 or more"
        )
    with tempfile.TemporaryDirectory(prefix="mtopt_scale_") as scratch:
        folder = arguments.out or Path(scratch) / "data"
        if not (folder / "dataset.json").is_file():
            with tqdm(total=arguments.episodes, desc="write", unit="episode") as bar:
                names = load_tasks(_TASKS).names
                write_synthetic(
                    folder, names, arguments.episodes, progress=lambda n: bar.update(n - bar.n)
                )
        done = subprocess.run(
            [sys.executable, "-m", "mtopt_bringup.benchmarks.scale", str(folder)],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        files = [path.stat() for path in folder.iterdir()]
    return {
        **json.loads(done.stdout.splitlines()[-1]),
        "disk_gb": sum(file.st_blocks for file in files) * 512 / 1e9,
        "apparent_gb": sum(file.st_size for file in files) / 1e9,
    }


def measure(folder: Path) -> dict:
    """Opens and samples; to be called in a process that has done nothing else."""
    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.relabel.sampler import SamplerConfig, StepSampler
    from mtopt_learning.train.config import TrainConfig
    from mtopt_learning.train.learning_data import LearningData

    tasks, config = load_tasks(_TASKS), TrainConfig()
    process = psutil.Process()
    before = process.memory_info().rss
    begin_s = time.perf_counter()
    dataset = Dataset.open(folder)
    data = LearningData.of(dataset, None, tasks, dataset.cameras, config)
    open_s = time.perf_counter() - begin_s
    rebalanced = _draw_times_ms(data.sampler)
    rss = process.memory_info().rss
    uniform = StepSampler(data.index, dataset.episode_steps, SamplerConfig(balance="uniform"))
    return {
        "open_s": open_s,
        "rss_gb": rss / 1e9,
        "rss_before_gb": before / 1e9,
        "sample_ms": float(np.median(rebalanced)),
        "sample_p99_ms": float(np.percentile(rebalanced, 99)),
        "uniform_ms": float(np.median(_draw_times_ms(uniform))),
        "episodes": dataset.n_episodes,
        "observations": dataset.n_obs,
        "tasks": len(tasks),
        "batch": _BATCH,
    }


def _draw_times_ms(sampler) -> np.ndarray:
    random, times = np.random.default_rng(0), np.empty(_DRAWS)
    for number in range(_DRAWS):
        begin_s = time.perf_counter()
        sampler.draw(_BATCH, random)
        times[number] = 1e3 * (time.perf_counter() - begin_s)
    return times


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))) + "\n")
