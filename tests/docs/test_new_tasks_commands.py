"""Every command that docs/new-tasks.md shows runs, in its order; only smaller."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mtopt_bringup.main import main
from mtopt_bringup.newtask import config as sizes
from mtopt_bringup.newtask.config import NewTaskConfig
from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.paper.experiment import Experiment
from mtopt_learning.train.config import TrainConfig

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "new-tasks.md"
SMALLER = {
    "benchmark": ["--minutes", "0.00001"],
    "eval": ["--episodes", "1", "--robots", "2", "--processes", "1"],
    "collect": ["--episodes", "4", "--robots", "2", "--processes", "1"],
    "cell": ["--episodes", "2", "--robots", "1"],
    "dataset": [],
    "train": ["--steps", "1", "--batch", "8", "--threads", "1"],
}
"""What is appended to a command so that it is over soon; the last of two options counts."""


def commands() -> list[list[str]]:
    return [shlex.split(text) for text in re.findall(r"^\./mtopt (.+)$", PAGE.read_text(), re.M)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`paper/`, a tiny experiment; `worlds/` and `params/` of the checkout."""
    train = TrainConfig(batch=16, terminate_states=4, threads=1, conservative_samples=2)
    config = PaperConfig(
        scripted_episodes=3, learned_rounds=0, learned_episodes=1, collector_steps=1, steps=2,
        evaluation_episodes=1, online_rounds=0, online_episodes=1, online_steps=1, lift_share=1,
        place_share=1, train=train, arms=("proposals",), robots=2,
    )  # fmt: skip
    assert Experiment(tmp_path / "paper", config, processes=1).run(("collect", "train"))["finished"]
    for name in ("worlds", "params"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setitem(
        sizes.SCALES, "small", NewTaskConfig(rounds=1, steps=1, evaluation_episodes=1, robots=2)
    )
    return tmp_path


@pytest.mark.timeout(200)
def test_the_commands_of_the_page_run_in_its_order(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    results = []
    for command in commands():
        code = main([*command, *SMALLER[command[0]], "--json"])
        results.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
        stopped = command[0] == "benchmark"
        assert code == int(stopped), command
    names = [command[:2] for command in commands()]
    assert names == [
        ["benchmark", "new-task"], ["eval", "--policy"], ["collect", "--episodes"],
        ["cell", "--episodes"], ["benchmark", "new-task"], ["dataset", "build"], ["train", "data"],
    ]  # fmt: skip
    first, measured, collected, in_ros, _, built, trained = results
    assert not first["finished"] and Path(first["page"]).is_file()
    assert set(measured["tasks"]) == {"lift-cloth", "cover-object"}
    assert in_ros["episodes"] == 2
    assert collected["episodes"] == built["episodes"] == 4 and trained["steps"] == 1
    assert (folder / "mine" / "runs" / "start" / "checkpoint").is_dir()
