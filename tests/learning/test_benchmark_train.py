"""`mtopt benchmark train`, small."""

import json
from types import SimpleNamespace

import pytest

from mtopt_bringup.benchmarks import goal_step
from mtopt_bringup.main import main
from mtopt_learning.train.config import GoalConfig, TrainConfig

PHASES = {"targets", "forward", "backward", "optimiser", "other"}


@pytest.mark.parametrize("backup", ["sarsa", "cem_max"])
def test_a_steps_time_and_its_shares(capsys, caplog, backup):
    command = ["benchmark", "train", "--steps", "5", "--episodes", "60", "--batch", "8"]
    assert main([*command, "--threads", "1", "--backup", backup, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["step_ms"] * result["steps_per_s"] == pytest.approx(1000)
    assert result["step_ms"] > 0 and result["device_ratio"] > 0
    share = result["share"]
    assert set(share) >= PHASES
    in_step = sum(share[name] for name in PHASES) + result["data_share"]
    assert in_step == pytest.approx(1, abs=1e-3)
    assert all(0 < share[name] < 1 for name in PHASES - {"other"})
    assert -0.01 < share["other"] < 0.5 and 0 <= result["data_share"] < 1
    assert (result["batch"], result["threads"], result["network"]) == (8, 1, "small")
    assert "affordance map" not in caplog.text, "nothing is wrong with its own empty pictures"


def test_a_data_set_that_is_there_is_taken_and_one_that_is_not_is_refused(tmp_path, capsys):
    assert main(["benchmark", "train", "--dataset", str(tmp_path / "nothing"), "--steps", "5"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_what_negatives_cost_a_step_that_learns_goals(capsys, caplog):
    command = ["benchmark", "train", "--goals", "--steps", "5", "--episodes", "60", "--batch", "8"]
    assert main([*command, "--threads", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    least, most = result["negatives_share_spread"]
    assert least <= result["negatives_share"] <= most < 1 and "share" not in result
    assert result["step_ms"] > 0 and result["without_negatives_ms"] > 0
    assert (result["batch"], result["threads"], result["network"]) == (8, 1, "small")
    assert "affordance map" not in caplog.text, "nothing is wrong with its own empty pictures"


def test_the_share_is_what_a_step_takes_longer_in_the_same_round(monkeypatch):
    """Rounds of 10 against 8, 20 against 18 and 40 against 24 s of four steps: 0.2, 0.1, 0.4."""
    trained, spent = [], iter([0.0, 0.0, 10.0, 8.0, 20.0, 18.0, 40.0, 24.0])

    class Trained:
        def __init__(self, tasks, cameras, config):
            trained.append(config.goals.negative_weight)

        def set_data(self, dataset):
            pass

        def close(self):
            trained.append("closed")

    monkeypatch.setattr("mtopt_learning.train.trainer.Trainer", Trained)
    monkeypatch.setattr(goal_step, "seconds_of", lambda trainer, steps: next(spent))
    config = TrainConfig(batch=0, goals=GoalConfig(batch=8))
    found = goal_step.goal_step_cost(SimpleNamespace(cameras={}), None, config, 4, 3)
    assert found == {
        "step_ms": 5000.0, "without_negatives_ms": 4500.0, "negatives_share": 0.2,
        "negatives_share_spread": [0.1, 0.4],
    }  # fmt: skip
    assert trained == [1.0, 0.0, "closed", "closed"]
