"""Bags of pictures and actions alone, without tasks or labels, are enough to learn goals from."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.ros_episode_sink import BagSink
from mtopt_learning.dataset.cache import Dataset
from mtopt_sim.station import Station
from mtopt_spec.episode import Episode


@dataclass(frozen=True)
class Unjudged:
    """Makes sinks that write episodes as somebody has them who knows no tasks and no labels."""

    out: Path
    task: str

    def __call__(self, robot: str, station: Station) -> "UnjudgedSink":
        return UnjudgedSink(BagSink(self.out, robot, station), self.task)


class UnjudgedSink:
    def __init__(self, bags: BagSink, task: str):
        self._bags, self._task = bags, task

    def write(self, episode: Episode) -> None:
        begin = replace(episode.begin, task=self._task, policy="", seed=0)
        end = replace(
            episode.end, success=False, success_probability=0.0, success_source="none", labels=()
        )
        self._bags.write(replace(episode, begin=begin, end=end))

    def close(self) -> None:
        self._bags.close()


@pytest.mark.parametrize(("task", "flags"), [("", ()), ("tidy-up", ("--any-task",))])
def test_a_goal_conditioned_function_is_learned_from_them(mtopt, tmp_path, task, flags):
    bags, data, run = tmp_path / "bags", tmp_path / "data", tmp_path / "run"
    config = CollectConfig(robots=1, episodes=6, seed=3, processes=1)
    collect(config, sinks=Unjudged(bags, task))
    if flags:
        refused = mtopt("dataset", "build", bags, "--out", data)
        assert refused["exit_code"] == 2 and "--any-task" in refused["stderr"]
    built = mtopt("dataset", "build", bags, "--out", data, *flags)
    assert built["exit_code"] == 0, built["stderr"][-2000:]
    dataset = Dataset.open(data)
    assert built["episodes"] >= 6 and (dataset.episode_task == -1).all()
    trained = mtopt("train", data, "--out", run, "--goals", "--steps", 2, "--batch", 16)
    assert trained["exit_code"] == 0, trained["stderr"][-2000:]
    assert trained["steps"] == 2 and trained["goal_loss"] > 0
    taken = mtopt("goals", "from-bags", bags, "--every", 3, "--out", tmp_path / "recorded")
    assert taken["counts"] == {"recorded": -(-built["episodes"] // 3)}
