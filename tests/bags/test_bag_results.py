"""What a run is told to have recorded, counted from its bags."""

import logging
import math

from mtopt_bringup.bag_results import BagResults, closed_bags, count_run
from mtopt_bringup.ros_cell import CellRun
from mtopt_spec.interfaces import EndReason, Fault


def cut(bag):
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-100])


def test_only_a_runs_own_bags_are_read_and_a_damaged_one_costs_itself_alone(
    tmp_path, make_episode, write_bag, caplog
):
    (old,) = write_bag(tmp_path, [make_episode(0)])
    cut(old)
    before = closed_bags(tmp_path)
    void = make_episode(2, reason=EndReason.FAULT, fault=Fault.ARM)
    (damaged,) = write_bag(tmp_path, [make_episode(1)])
    write_bag(tmp_path, [void, make_episode(4), make_episode(5)])
    cut(damaged)
    with caplog.at_level(logging.ERROR):
        found = count_run(tmp_path, "test", before)
    assert found.tasks == {"lift-any": [2, 1]} and len(found.void) == 1
    assert str(damaged) in caplog.text and str(old) not in caplog.text
    assert count_run(tmp_path, "tes", before).episodes == 0


def test_a_run_without_a_bag_has_no_episode(tmp_path):
    assert closed_bags(tmp_path) == frozenset()
    assert count_run(tmp_path, "test").episodes == 0


def test_a_run_that_took_no_step_has_no_rate():
    result = CellRun(counted=BagResults(tasks={"lift-any": [1, 1]})).result()
    assert result["episodes"] == 1
    assert math.isnan(result["episodes_per_s"]) and math.isnan(result["control_steps_per_s"])
