"""`mtopt cell` and `mtopt collect` record the same episodes for one seed.

Tolerance: none. Actions, rewards, labels, stamps, joint positions and pictures are the same to the
last bit on one machine. Only the name of the run, with which the ids begin, is each run's own.
"""

from dataclasses import replace

import numpy as np
import pytest

RUN = ("--robots", 2, "--episodes", 10, "--seed", 1)
CLOTH = ("--tasks-file", "params/tasks_cloth.yaml", "--world", "worlds/cloth_cell.sdf",
         "--tasks", "lift-cloth", "cover-object")  # fmt: skip


@pytest.fixture(scope="module", params=[(), CLOTH], ids=["bin", "cloth"])
def both(request, tmp_path_factory, mtopt, episodes):
    run = (*RUN, *request.param)
    cell, collect = tmp_path_factory.mktemp("cell"), tmp_path_factory.mktemp("collect")
    by_messages = mtopt("cell", *run, "--out", cell)
    by_calls = mtopt("collect", *run, "--out", collect, "--processes", 2)
    return (by_messages, episodes(cell)), (by_calls, episodes(collect))


def test_the_results_agree(both):
    (by_messages, _), (by_calls, _) = both
    assert by_messages["exit_code"] == by_calls["exit_code"] == 0, by_messages["stderr"][-2000:]
    assert by_messages["episodes"] == by_calls["episodes"] == 10
    for key in ("tasks", "void_episodes", "dropped_frames"):
        assert by_messages[key] == by_calls[key]
    assert {"lift-any", "lift-cloth"} & by_messages["tasks"].keys()
    assert {"place-any", "cover-object"} & by_messages["tasks"].keys(), "something was held"
    assert by_messages["dropped_frames"] == 0, "lockstep drops nothing"


def test_the_episodes_are_the_same(both):
    (_, by_messages), (_, by_calls) = both
    assert not by_messages.keys() & by_calls.keys()
    by_messages, by_calls = ({n.split("-", 2)[2]: e for n, e in found.items()}
                             for found in (by_messages, by_calls))  # fmt: skip
    assert by_messages.keys() == by_calls.keys()
    assert len(by_messages) >= 10
    for name, one in by_messages.items():
        other = by_calls[name]
        for mine, others in ((one.begin, other.begin), (one.end, other.end)):
            assert mine == replace(others, episode_id=mine.episode_id)
        for field in (
            "stamp_ns",
            "action",
            "commanded",
            "state",
            "joint_stamp_ns",
            "joint_position",
        ):
            np.testing.assert_array_equal(
                getattr(one, field), getattr(other, field), f"{name} {field}"
            )
        assert one.images_jpeg == other.images_jpeg, name
        assert len(one.joint_position) == 5 * len(one.action) + 1, "every reading is there"
    assert len({tuple(e.action[0]) for e in by_calls.values()}) > 5, "they are not one episode"
