"""Every command that docs/success.md shows runs, in its order; only smaller."""

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.main import main
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_sim.cell import cell_tasks

PAGE = Path(__file__).parents[2] / "docs" / "success.md"
SMALLER = {
    "train data/ --out": ["--steps", "4", "--threads", "1", "--labels-per-task", "25"],
    "train data/ --from": ["--steps", "2"],
    "uncertain data/ --detector": ["--per-task", "3"],
}
"""What is appended to a command so that it is over soon; the last of two options counts."""


def commands() -> list[list[str]]:
    return [shlex.split(text) for text in re.findall(r"^\./mtopt (.+)$", PAGE.read_text(), re.M)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`data/` of 40 scripted episodes, and `outcomes.csv` of what a person says of ten of them."""
    folder = tmp_path_factory.mktemp("success")
    collect(CollectConfig(robots=2, episodes=40, out=folder / "bags", tasks=("lift-any",)))
    build_dataset(find_bags([folder / "bags"]), folder / "data", cell_tasks().names)
    lines = [f"{name},lift-any,{i % 2}" for i, name in enumerate(dataset_of(folder).episode_ids)]
    (folder / "outcomes.csv").write_text("\n".join(["episode_id,task,success", *lines[:10]]))
    return folder


def dataset_of(folder):
    return Dataset.open(folder / "data")


@pytest.mark.timeout(200)
def test_the_commands_of_the_page_run_in_its_order(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    results = []
    for command in commands():
        extra = SMALLER.get(" ".join(command[1:4]), [])
        assert main([*command, *extra, "--json"]) == 0, command
        results.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert [c[:2] for c in commands()] == [
        ["success", "import"], ["success", "train"], ["success", "eval"], ["label", "data/"],
        ["success", "uncertain"], ["success", "train"], ["label", "data/"],
    ]  # fmt: skip
    taken, taught, tested, labelled, asked, retaught, relabelled = results
    assert main(commands()[2]) == 0
    told = yaml.safe_load(capsys.readouterr().out)["tasks"]["lift-any"]
    assert set(told) == {
        "labels", "precision", "recall", "false_positive_rate", "calibration_error", "threshold",
    }  # fmt: skip
    assert taken["tasks"]["lift-any"] == {"labels": 10, "successes": 5}
    person = dataset_of(folder).labels("person")
    assert np.isfinite(person).sum() == 10
    with (folder / "detector" / "labels.csv").open() as stream:
        used = list(csv.DictReader(stream))
    by_person = {row["episode_id"] for row in used if row["source"] == "person"}
    assert by_person and by_person <= set(dataset_of(folder).episode_ids[:10])
    assert sum(taught["labels"]["lift-any"][part] for part in ("train", "validation")) == 25
    assert tested["episodes"] < 40
    assert labelled["judged"] == relabelled["judged"] == 40
    with (folder / "ask.csv").open() as stream:
        questions = list(csv.DictReader(stream))
    assert len(questions) == asked["questions"] == 3 * 12
    assert all(Path(q["picture"]).stat().st_size > 1000 and q["success"] == "" for q in questions)
    assert sum(counts["new"] for counts in retaught["labels"].values()) == len(questions)
