"""`mtopt benchmark paper`, tiny, killed twice on its way: what is done is not done again."""

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mtopt_bringup.benchmarks import paper
from mtopt_bringup.paper.experiment import Experiment
from mtopt_bringup.stages import Stages
from mtopt_learning.bag.find import find_bags
from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_learning.dataset.cache import Dataset
from mtopt_sim.cell import cell_tasks
from mtopt_spec.errors import InputError

ROWS = ["mt_opt", "naive", "proposals", "clone"]
TINY = [
    "--rows", *ROWS, "--processes", "1", "--set", "scripted_episodes=60", "lift_share=8",
    "place_share=2", "learned_rounds=1", "learned_episodes=12", "collector_steps=4", "steps=6",
    "evaluation_episodes=1", "online_rounds=1", "online_episodes=10", "online_steps=3",
    "robots=3", "train={batch: 16}",
]  # fmt: skip
WAIT_S = 250


def command(out):
    return [
        sys.executable, "-m", "mtopt_bringup.main", "benchmark", "paper", "--out", out, "--json",
        *TINY,
    ]  # fmt: skip


def call(out):
    """The command's result and exit code."""
    done = subprocess.run(command(out), capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.returncode


def kill_once(out, holds):
    """Starts the command and kills it as soon as something holds, while it is at work."""
    process = subprocess.Popen(command(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline_s = time.monotonic() + WAIT_S
    while not holds() and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    was_at_work = process.poll() is None
    process.kill()
    err = process.communicate()[1]
    assert was_at_work and holds() and process.returncode == -signal.SIGKILL, err[-3000:]


def stages(out):
    return {path.stem: path.stat().st_mtime_ns for path in (out / "stages").glob("*.json")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder, the last call's result, and the stages that were there after each kill."""
    out = tmp_path_factory.mktemp("paper")
    bags = out / "bags" / "scripted_01"
    kill_once(out, lambda: len(list(bags.glob("*/bag_*/*.mcap*"))) > 0)
    first = stages(out)
    kill_once(out, lambda: (out / "stages" / "train_mt_opt_0.json").exists())
    second = stages(out)
    result, code = call(out)
    assert code == 0, result
    return out, result, (first, second)


@pytest.mark.timeout(900)
def test_it_finishes_and_what_was_done_is_not_done_again(finished):
    out, result, (first, second) = finished
    assert result["finished"] and result["errors"] == {}
    assert first == {} and {"collect_scripted_01", "data", "train_mt_opt_0"} <= set(second)
    last = stages(out)
    assert {name: last[name] for name in second} == second, "a stage ran again"
    assert set(last) == {
        "collect_scripted_01", "collector", "collect_learned_01", "data", "online_00",
        "online_01", "evaluate_online_01",
        *(f"{kind}_{row}_0" for kind in ("train", "evaluate") for row in ROWS),
    }  # fmt: skip


@pytest.mark.timeout(900)
def test_episodes_of_the_killed_call_are_no_data(finished):
    """The part begins anew with the same seed, so the data are those of a call that was let be."""
    out, _, _ = finished
    dataset, tasks = Dataset.open(out / "data"), cell_tasks()
    runs = {name.split("-")[0] for name in dataset.episode_ids}
    assert runs == {"scripted1", "round1c1", "round1c2"}
    seeds = {name.split("-")[1] for name in dataset.episode_ids if name.startswith("scripted1")}
    assert len(seeds) == 1 and "." not in next(iter(seeds)), "a continued run"
    account = json.loads((out / "stages" / "data.json").read_text())
    assert account["episodes"] == dataset.n_episodes >= 72
    own = {name: row["own"] for name, row in account["tasks"].items()}
    assert max(own, key=own.get) == "lift-any" and set(own) == set(tasks.names)
    assert sum(row["policies"].get("qfunction", 0) for row in account["tasks"].values()) > 0


@pytest.mark.timeout(900)
def test_the_page_the_numbers_and_the_model_are_there(finished):
    out, result, _ = finished
    assert set(result["means"]) == {*ROWS, "online"}
    numbers = json.loads((out / "results.json").read_text())
    assert set(numbers["scores"]) == {*ROWS, "online"}
    for score in numbers["scores"].values():
        assert {row["attempts"] for row in score["tasks"].values()} == {1}
        assert len(score["tasks"]) == 12
    page = (out / "mtopt.md").read_text()
    assert "## On-policy rounds" in page and "behaviour cloning of successes" in page
    assert numbers["trained"]["naive"][0]["steps"] == 6
    best = max(result["means"][name] for name in ("mt_opt", "naive", "proposals", "online"))
    assert numbers["exported"]["mean"] == pytest.approx(best, abs=1e-4)
    load_q_function(out / "model", cell_tasks().names)
    online = {p.parents[2].name for p in find_bags([out / "online" / "bags"])}
    assert online == {"round_01"}, "the offline data set stays as it is"
    assert not list(out.rglob("*.partial")), "nothing left aside"


def test_other_sizes_are_refused_and_more_seeds_and_rounds_are_left_to_do(finished):
    out, _, _ = finished
    with pytest.raises(InputError, match="name another folder"):
        Experiment(out, replace(tiny(), steps=7))
    before = stages(out)
    more = replace(tiny(), seeds=2, online_rounds=2)
    for part in ("train", "online"):
        left = Experiment(out, more, minutes=0.0).run([part])
        assert (left["finished"], left["exit_code"], left["errors"]) == (False, 1, {})
    assert stages(out) == before


@pytest.mark.parametrize(
    ("part", "needs"), [("train", "collect"), ("online", "train"), ("write", "collect")]
)
def test_a_part_whose_forerunner_is_missing_says_so(tmp_path, part, needs):
    with pytest.raises(InputError, match=f"run the part `{needs}` first"):
        Experiment(tmp_path, tiny()).run([part])


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    """The first holds the folder until it dies, even by kill -9; the other is told."""
    holder = (
        "import sys; from pathlib import Path; from mtopt_bringup.stages import Stages\n"
        "work = lambda: print('works', flush=True) or sys.stdin.read()\n"
        "Stages(Path(sys.argv[1]), {}).run('long', work)"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "works\n"
    stages_here = Stages(tmp_path, {})
    with pytest.raises(InputError, match="another process"):
        stages_here.run("long", dict)
    first.kill()
    first.wait()
    assert stages_here.run("long", lambda: {"done": 1})["done"] == 1


def tiny():
    """The configuration of the command."""
    parser = argparse.ArgumentParser()
    paper.add_arguments(parser)
    return paper.configuration(parser.parse_args(TINY))
