"""`mtopt benchmark train`, small."""

import json

import pytest

from mtopt_bringup.main import main

PHASES = {"targets", "forward", "backward", "optimiser", "other"}


@pytest.mark.parametrize("backup", ["sarsa", "cem_max"])
def test_a_steps_time_and_its_shares(capsys, backup):
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


def test_a_data_set_that_is_there_is_taken_and_one_that_is_not_is_refused(tmp_path, capsys):
    assert main(["benchmark", "train", "--dataset", str(tmp_path / "nothing"), "--steps", "5"]) == 2
    assert "nothing" in capsys.readouterr().err
