"""Numbers of the tables by hand, the page, its curves and the exported checkpoint."""

import json
import re
from dataclasses import asdict, replace

import cv2
import pytest

from mtopt_bringup.paper.arms import ARMS, ROUNDS_TITLE
from mtopt_bringup.paper.config import SCALES
from mtopt_bringup.paper.curves import auc_curve
from mtopt_bringup.paper.export import export_best, model_card
from mtopt_bringup.paper.page import write_page
from mtopt_bringup.paper.published import TASKS, mean, rate
from mtopt_bringup.paper.scoring import (
    Ordering,
    chance_floor,
    group_mean,
    orderings,
    pooled,
    rare,
)
from mtopt_learning.checkpoint.configuration import to_plain
from mtopt_learning.train.config import TrainConfig

# -- scoring ----------------------------------------------------------------------------------


def test_seeds_are_added_up(score):
    both = pooled(
        [score({"lift-any": 0.5, "lift-can": 0.1}), score({"lift-any": 1, "lift-can": 0})]
    )
    assert both["tasks"]["lift-any"]["attempts"] == 40
    assert both["tasks"]["lift-any"]["successes"] == 30
    assert both["mean"] == pytest.approx((0.75 + 0.05) / 2)
    assert both["means"] == pytest.approx([0.3, 0.5])


def test_groups_and_floor_by_hand(score):
    one = score({"lift-any": 0.8, "lift-can": 0.1, "lift-box": 0.3, "place-bottom": 0.5})
    assert rare(one) == ("lift-can", "lift-box", "place-bottom")
    assert rare(one, "lift") == ("lift-can", "lift-box")
    assert group_mean(one, rare(one, "lift")) == pytest.approx(0.2)
    assert group_mean(one, ()) != group_mean(one, ()), "NaN"
    assert group_mean(one, ("lift-can", "lift-milk")) != 0, "NaN, not the mean of a part"
    assert chance_floor(one) == pytest.approx(0.8 / 5)


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [
        ((90, 100), (50, 100), "as published"),
        ((50, 100), (90, 100), "differs"),
        ((55, 100), (50, 100), "not told apart"),
        ((9, 10), (5, 10), "not told apart"),  # Wilson: 0.60 to 0.98 and 0.24 to 0.76
        ((20, 20), (0, 20), "as published"),
    ],
)
def test_a_verdict_by_hand(high, low, verdict):
    one = Ordering("claim", ".9 against .5", high, low)
    assert one.verdict == verdict
    assert one.figures == f"{high[0] / high[1]:.2f} against {low[0] / low[1]:.2f}"


def test_orderings_compare_the_right_tasks_of_rows_that_are_there(score):
    common = {"lift-any": 1.0, "place-any": 1.0}
    scores = {
        "mt_opt": score({**common, "lift-sausage": 0.9, "place-bottom": 0.5}),
        "naive": score({**common, "lift-sausage": 0.1, "place-bottom": 0.1}),
        "single_lift_sausage": score({"lift-sausage": 0.0}),
        "two_tasks": score({"lift-any": 0.5, "place-any": 1.0}),
    }
    found = {one.claim: one for one in orderings(scores)}
    assert set(found) == {
        "rare tasks: MT-Opt above naive multi-task", "rare lifts: MT-Opt above naive multi-task",
        "lift-any: twelve tasks above two", "place-any: twelve tasks above two",
        "lift-sausage: MT-Opt above single task",
    }  # fmt: skip
    rare_tasks = found["rare tasks: MT-Opt above naive multi-task"]
    assert (rare_tasks.high, rare_tasks.low) == ((18 + 10, 40), (2 + 2, 40))
    assert found["rare lifts: MT-Opt above naive multi-task"].high == (18, 20)
    assert found["lift-any: twelve tasks above two"].low == (10, 20)
    assert found["lift-sausage: MT-Opt above single task"].verdict == "as published"
    assert orderings({}) == []


def test_published_means_are_the_papers_own():
    assert mean("mt_opt", TASKS) == pytest.approx(0.58, abs=0.006)
    assert mean("naive", TASKS) == pytest.approx(0.32, abs=0.01)
    assert mean("share_all_once", TASKS) == pytest.approx(0.21, abs=0.01)
    assert mean("two_tasks", TASKS) is None and rate("clone", "lift-any") is None


def test_a_curve_is_the_mean_over_tasks_where_there_is_one():
    metrics = [
        {"step": 100, "closing_auc": {}},
        {"step": 200, "closing_auc": {"a": 0.5, "b": 0.75}},
        {"step": 300},
    ]
    assert auc_curve(metrics) == [(200, 0.625)]


# -- page -------------------------------------------------------------------------------------


@pytest.fixture
def results(score):
    """Made up, of all rows: each MT-Opt task succeeds in 0.50, of the k-th other row in 0.05 k."""
    scores = {}
    for i, arm in enumerate(ARMS):
        value = 0.5 if arm.name == "mt_opt" else 0.05 * i
        one = score(dict.fromkeys(arm.tasks or TASKS, value))
        scores[arm.name] = pooled([one, one])
    scores["online"] = pooled([score(dict.fromkeys(TASKS, 0.85))])
    task = {"own": 10, "own_successes": 3, "skill_successes": 30, "policies": {"qfunction": 4}}
    tasks = dict.fromkeys(TASKS, task) | {"lift-any": {**task, "own": 4200}}
    collected = {"tasks": {"lift-any": {"attempts": 8, "successes": 2}}}
    return {
        "config": asdict(replace(SCALES["small"], seeds=2)),
        "arms": [asdict(arm) for arm in ARMS],
        "data": {
            "episodes": 5000, "observations": 60000, "void_episodes": 1, "tasks": tasks,
            "fingerprint": "feedbeef00112233",
        },
        "trained": {a.name: [{"steps": 1200, "seconds": 60.4, "parameters": 9}] for a in ARMS},
        "curves": {a.name: [(100, 0.5), (200, 0.75)] for a in ARMS if a.learner == "q"},
        "scores": scores,
        "online": [{"step": 1200}, {"collected": collected, "steps": 1500}],
        "online_scores": {1: score(dict.fromkeys(TASKS, 0.85))},
        "exported": {"row": "MT-Opt", "mean": 0.5, "bytes": 2_000_000},
        "errors": {},
        "stage_s": {"collect_scripted_01": 60.0, "collector": 10.0, "train_mt_opt_0": 30.0,
                    "evaluate_mt_opt_0": 20.0, "data": 1.0, "online_01": 5.0},
        "machine": "a machine", "versions": "versions", "commit": "c0ffee" * 7,
    }  # fmt: skip


def sections(page):
    """Title to text of its section."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text):
    """First cell to the other cells of a section's table; every line has as many as the head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    assert len({len(row) for row in cells}) == 1, "ragged"
    assert cells[1] == ["---"] * len(cells[0])
    return {row[0]: row[1:] for row in cells[2:]}


ALL = [
    "The data set", "Success", "Sharing and re-balancing", "All rows", "Orderings",
    "On-policy rounds", "Learning curves", "Training", "Where these figures are from",
]  # fmt: skip


def test_the_page_has_every_table(results, tmp_path):
    write_page(tmp_path / "mtopt.md", results)
    found = sections(tmp_path / "mtopt.md")
    assert list(found) == ALL
    data = table(found["The data set"])
    assert data["lift-any"] == ["4,200", "4", "3", "30"] and len(data) == 12
    assert "420 times" in found["The data set"]
    success = table(found["Success"])
    assert success["lift-any"] == [
        "0.50 (0.35 to 0.65)", "0.89", "0.05 (0.01 to 0.17)", "0.94", "0.15 (0.07 to 0.29)",
        "0.62", "0.35 (0.22 to 0.50)", "0.88",
    ]  # fmt: skip
    assert success["place-bottom"][-2:] == ["", "-"], "no single-task row"
    assert success["**all tasks**"][:4] == ["**0.50**", "0.58", "**0.05**", "0.32"]
    assert "MT-Opt 0.10, naive multi-task 0.01" in found["Success"]
    sharing = table(found["Sharing and re-balancing"])
    assert sharing["same skill (f_skill)"] == [
        "0.30 / 0.30 / 0.30 / 0.30", "not known", "0.50 / 0.50 / 0.50 / 0.50",
        "0.29 / 0.58 / 0.89 / 0.50",
    ]  # fmt: skip
    rows = table(found["All rows"])
    assert len(rows) == len(ARMS) + 1 and rows[ROUNDS_TITLE][5] == "0.85"
    assert rows["single task: lift-carrot"][:2] == ["", ""]
    orders = table(found["Orderings"])
    assert orders["rare tasks: MT-Opt above naive multi-task"][2] == "as published"
    assert orders["all tasks: naive above sharing everything without re-balancing"][2] == (
        "**differs**"
    )
    measured, own = found["On-policy rounds"].split("Of the rounds")
    assert table(measured)["1"][1:] == ["0.85"] * 4 and table(measured)["1"][0].startswith("0.85 (")
    assert table(own) == {"1": ["0.25"]}
    assert table(found["Learning curves"])["a head a task"][-1] == "0.75 (200)"
    assert table(found["Training"])["IQL of d3rlpy"] == ["1,200", "60", "9"]
    assert "collect 70, data 1, train 30" in found["Where these figures are from"]
    assert "2.0 MB" in found["Where these figures are from"]
    picture = cv2.imread(str(tmp_path / "mtopt_curves.png"))
    assert picture.shape[1] == 1100 and picture.std() > 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mtopt.md", "mtopt_curves.png"]


@pytest.mark.parametrize("kept", [(), ("clone",), ("mt_opt",), ("single_lift_any", "two_tasks")])
def test_rows_that_are_missing_leave_gaps(results, tmp_path, kept):
    for part in ("scores", "trained", "curves"):
        results[part] = {k: v for k, v in results[part].items() if k in kept}
    results.update(online=[], exported={}, errors={"train_iql_0": "InputError: no d3rlpy"})
    write_page(tmp_path / "mtopt.md", results)
    found, text = sections(tmp_path / "mtopt.md"), (tmp_path / "mtopt.md").read_text()
    assert "Failed: train_iql_0: InputError: no d3rlpy" in text
    assert not re.search(r"\bnan\b", text) and "On-policy rounds" not in found
    assert len(table(found["Success"])) == 12 + 4
    assert len(table(found["All rows"])) == len(table(found["Training"])) == len(kept)
    ours = table(found["Success"])["lift-any"]
    assert bool(ours[0]) == ("mt_opt" in kept) and bool(ours[6]) == ("single_lift_any" in kept)


# -- export -----------------------------------------------------------------------------------

CONFIG = {
    "specs": {"cameras": {"shoulder": [64, 64], "wrist": [32, 32]}},
    "settings": {"training": to_plain(TrainConfig())},
    "metrics": {"step": 4321},
    "code": {"commit": "fedcba9876543210"},
}


@pytest.fixture
def candidates(tmp_path, score):
    made = {}
    for name, value in (("poor", 0.1), ("best", 0.6), ("middling", 0.4)):
        folder = tmp_path / "runs" / name / "checkpoint"
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(name.encode() * 1000)
        (folder / "config.json").write_text(json.dumps(CONFIG))
        made[name] = (folder, score(dict.fromkeys(TASKS, value)), 700 * (name == "best"))
    return made


def test_the_best_is_taken_with_a_card(candidates, results, tmp_path):
    told = export_best(candidates, results["data"], tmp_path / "model")
    assert told["row"] == "best" and told["mean"] == pytest.approx(0.6)
    files = {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()}
    assert files["weights.safetensors"] == b"best" * 1000 and set(files) == {
        "weights.safetensors", "config.json", "README.md"
    }  # fmt: skip
    assert told["bytes"] == sum(map(len, files.values()))
    card = files["README.md"].decode()
    assert card == model_card("best", candidates["best"][1], results["data"], CONFIG, 700)
    assert "code `fedcba987654`" in card
    assert "backup `sarsa`" in card and "cameras shoulder, wrist" in card and "steps: 4,321" in card
    assert "policies and 700 of its own" in card
    assert "of its own" not in model_card("poor", candidates["poor"][1], results["data"], CONFIG)
    assert "| lift-any | 0.60 | 0.39 to 0.78 |" in card and "0123456789ab" in card
    assert "20 episodes a task" in card and "5,000 simulated episodes" in card


def test_another_export_replaces_it_and_a_failed_one_leaves_it(candidates, results, tmp_path):
    folder = tmp_path / "model"
    export_best({"poor": candidates["poor"]}, results["data"], folder)
    (folder / "left over").touch()
    export_best(candidates, results["data"], folder)
    assert (folder / "weights.safetensors").read_bytes()[:4] == b"best"
    assert not (folder / "left over").exists()
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    checkpoint, one, own = candidates["middling"]
    with pytest.raises(KeyError, match="fingerprint"):  # breaks off after the copy
        export_best({"middling": (checkpoint, one, own)}, {"episodes": 1}, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    export_best(candidates, results["data"], folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "runs"], "nothing left aside"
