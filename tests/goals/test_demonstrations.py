"""Goals that scripts show: what they are, and what they depend on."""

from dataclasses import replace

import numpy as np
import pytest

from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate, scene_seed
from mtopt_bringup.goalset.demonstrator import MOVED_M, Demonstrator
from mtopt_bringup.goalset.ends import picture_difference
from mtopt_sim.labels import LIFTED_HEIGHT_M
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.goal import KINDS


def of(shown, kind):
    return [goal for goal in shown.goals if goal.kind == kind]


def test_each_kind_shows_what_it_is_about(shown):
    for goal in of(shown, "grasp"):
        assert goal.goal.truth.position_bin_m[2] >= LIFTED_HEIGHT_M and not goal.goal.holding
    for goal in of(shown, "place"):
        assert goal.goal.truth.section and goal.goal.holding
    for goal in of(shown, "rearrange"):
        x, y, z = goal.goal.truth.position_bin_m
        assert not goal.goal.truth.section and not goal.goal.holding
        assert max(abs(x), abs(y)) < 0.19 and 0 < z < 0.08
    for goal in shown.goals:
        assert picture_difference(goal.start_jpeg, goal.goal.images_jpeg["shoulder"]) > 1


def test_an_object_is_rearranged_by_more_than_what_counts_as_there(shown):
    from mtopt_sim.cell import CellConfig, make_station, new_scene

    station = make_station(CellConfig(robots=1), "robot_1")
    for goal in of(shown, "rearrange"):
        new_scene(station, goal.scene_seed)
        truth = station.truth()
        was = truth.position_bin_m[truth.names.index(goal.goal.truth.object)]
        assert np.hypot(*(was - goal.goal.truth.position_bin_m)[:2]) > 0.9 * MOVED_M


def test_what_is_lost_on_the_way_is_no_rearrangement():
    class OpensEarly:
        def choose(self, requests):
            (answer,) = scripts.choose(requests)
            early = requests[0].step_index == 2
            action = Action(open=True) if early else answer.action
            return [replace(answer, action=action)]

    demonstrator, why = Demonstrator(), set()
    scripts = demonstrator._scripts["clean_put_down"]
    demonstrator._scripts["clean_put_down"] = OpensEarly()
    for number in range(6):
        why.add(demonstrator.show("rearrange", scene_seed(7, "rearrange", number)).why)
    assert "lost on the way" in why


def test_scenes_are_distinct_and_come_from_the_seed_alone(shown):
    assert len({goal.scene_seed for goal in shown.goals}) == len(shown.goals)
    drawn = {scene_seed(7, kind, i) for kind in KINDS for i in range(50)}
    assert {goal.scene_seed for goal in shown.goals} <= drawn
    other = {scene_seed(8, kind, i) for kind in KINDS for i in range(50)}
    assert not other & drawn


def test_no_goal_is_shown_in_a_scene_of_a_training_run(shown):
    from mtopt_bringup.in_process import CollectConfig, collect

    config = CollectConfig(
        robots=1, episodes=2, seed=7, processes=1, tasks=("lift-any",), episodes_per_scene=1
    )
    seen = []
    collect(config, on_episode=lambda begin, end: seen.append(begin.seed))
    assert len(seen) == 2 and not set(seen) & {scene_seed(7, k, i) for k in KINDS for i in range(9)}


def test_a_demonstration_depends_on_its_seed_alone(shown):
    demonstrator = Demonstrator()
    for kind in reversed(KINDS):
        for goal in reversed(of(shown, kind)):
            assert demonstrator.show(kind, goal.scene_seed).goal == goal


def test_the_number_of_processes_makes_no_difference(shown):
    config = DemonstrationConfig(("place", "grasp"), goals=3, seed=7, processes=2)
    assert demonstrate(config).goals == (*of(shown, "place"), *of(shown, "grasp"))


def test_most_demonstrations_succeed_and_the_others_say_why(shown):
    for kind, about in shown.about["kinds"].items():
        assert about["goals"] == 3 and sum(about["failed"].values()) == about["tries"] - 3, kind
        assert about["tries"] <= 9


@pytest.mark.parametrize(
    "settings, words",
    [({"kinds": ("throw",)}, "throw"), ({"kinds": ()}, "kinds"), ({"goals": 0}, "at least one")],
)
def test_what_cannot_be_shown_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        DemonstrationConfig(**settings)


def test_a_world_that_is_not_there_is_refused_before_a_process_starts(tmp_path):
    with pytest.raises(ValueError, match="gone.sdf"):
        demonstrate(DemonstrationConfig(world=tmp_path / "gone.sdf"))
