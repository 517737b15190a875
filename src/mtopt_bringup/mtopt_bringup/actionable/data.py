"""The data set that goals are learned from: that of the tasks, and rearrangements."""

from __future__ import annotations

from pathlib import Path

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_bringup.in_process import CollectConfig
from mtopt_bringup.rounds import collect_episodes, even_robots
from mtopt_bringup.run_folder import start_part
from mtopt_bringup.stages import copy_folder
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.files import read_manifest
from mtopt_sim.cell import cell_tasks
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList

REARRANGE = "scripted_rearrange"


def data_of_base(base: Path) -> Path:
    """The data set of an `mtopt benchmark paper` experiment, with that of its on-policy rounds.

    Raises:
        InputError: There is none.
    """
    for data in (base / "online" / "data", base / "data"):
        if data.is_dir():
            return data
    raise InputError(
        "data set", where=base, got="no data/", expected="what `mtopt benchmark paper` collected",
        todo="run `mtopt benchmark paper` first; --base is its --out. Or name a data set by --data",
    )  # fmt: skip


def data_fingerprint(data: Path, tasks: TaskList) -> str:
    """The fingerprint of a data set of the cell's tasks.

    Raises:
        InputError: There is no data set, or it is of other tasks.
    """
    manifest = read_manifest(data)
    if tuple(manifest["tasks"]) != tasks.names:
        raise InputError(
            "tasks of the data set", where=data, got=manifest["tasks"], expected=list(tasks.names),
            todo="build it with the cell's task file",
        )  # fmt: skip
    return manifest["fingerprint"]


def collect_rearrangements(out: Path, config: GoalsConfig, part: int, episodes: int) -> dict:
    """Episodes in which a script picks something and puts it down elsewhere, into `bags/`.

    No task of the cell does, so its data cannot show how. They run as the easiest lift, with as
    many steps as an episode that is to reach a goal.
    """
    bags = out / "bags" / f"rearrange_{part:02d}"
    start = start_part(bags, config.seed, "rearrange", part)
    return collect_episodes(
        CollectConfig(
            robots=even_robots(config.robots), episodes=episodes, out=bags, seed=start.seed,
            tasks=(cell_tasks().easiest("lift").name,), policy=REARRANGE, mode="fixed",
            max_steps=config.max_steps, run=start.run,
        )
    )  # fmt: skip


def join_data(data: Path, out: Path) -> dict:
    """Copies a data set to `data/` and adds the rearrangements.

    Returns:
        As `build_dataset`.
    """
    copy_folder(data, out / "data")
    return build_dataset(find_bags([out / "bags"]), out / "data", cell_tasks().names)
