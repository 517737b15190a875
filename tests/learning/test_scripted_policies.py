"""The scripts: what they see, and what their actions do to a tool that obeys."""

from dataclasses import replace

import numpy as np
import pytest

from mtopt_learning.policy.blobs import ON_PLATE, BlobFinder
from mtopt_learning.policy.pinhole import camera_from_link
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.random_policy import RandomPolicy
from mtopt_learning.policy.scripted_pick import CLOTH, PickConfig, ScriptedPick
from mtopt_learning.policy.scripted_place import COVER, PUT_DOWN, ScriptedPlace
from mtopt_learning.policy.scripted_rearrange import ScriptedRearrange
from mtopt_learning.policy.scripts import SCRIPTS, make_scripts
from mtopt_learning.policy.step_draws import _draws, step_draws
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import PolicyRequest
from mtopt_spec.observation import Observation
from mtopt_spec.task import Task, TaskList

CAMERA = camera_from_link(64, 64, 0.80, (-0.48, 0.315, 1.0), (0.0, 1.05, -0.10))
EXACT = PickConfig(aim_noise_m=(0.0,), turn_noise_rad=(0.0,), step_noise_m=(0.0,), p_stop=0.0)
TASKS = TaskList(
    [Task("place-top-left", "place", "holding", {"rule": "placed", "section": "top_left"}, "x", 0)]
)


def picture(*, patch_xy=None, long_axis_rad=0.0, light=1.0, bar_y=None):
    """A grey floor with a 12 x 4 cm red patch and a 4 cm white bar, as the camera sees it."""
    v, u = np.mgrid[:64, :64]
    xy = CAMERA.to_plane(np.stack([u, v], -1), 0.02)
    image = np.full((64, 64, 3), 130.0) * light
    if bar_y is not None:
        image[np.abs(xy[..., 1] - bar_y) < 0.02] = 250.0 * np.array([0.9, 1.0, 1.1]) * light
    if patch_xy is not None:
        c, s = np.cos(long_axis_rad), np.sin(long_axis_rad)
        d = xy - patch_xy
        along, across = d @ [c, s], d @ [-s, c]
        image[(np.abs(along) < 0.06) & (np.abs(across) < 0.02)] = np.array([200, 40, 30]) * light
    return np.clip(image, 0, 255).astype(np.uint8)


def request(
    image, pose, step, *, closed=False, opening=0.1, policy="p", task="t", seed=3, robot="robot_1"
):
    observation = Observation(0.0, {"shoulder": encode_jpeg(image)}, closed, opening, pose)
    return PolicyRequest(robot, "e1", step, seed, task, policy, observation)


def follow(policy, image, *, task="t"):
    """Obeys the policy exactly; returns poses at close and at terminate."""
    pose, closed, at_close, at_open = np.array([0.0, 0.0, 0.20, 0.0]), False, None, None
    for step in range(20):
        answer = policy.choose([request(image, tuple(pose), step, closed=closed, task=task)])[0]
        action = answer.action
        assert action.problem() is None
        if action.terminate:
            return pose, at_close, at_open, step
        if action.close:
            closed, at_close = True, pose.copy()
        if action.open:
            closed, at_open = False, pose.copy()
        pose = pose + [*action.translation_m, action.azimuth_rad]
    return pose, at_close, at_open, None


def test_projection_goes_there_and_back():
    xy = np.array([[-0.15, 0.1], [0.18, -0.18], [0.0, 0.3]])
    uv = CAMERA.project(np.column_stack([xy, np.full(3, 0.02)]))
    assert np.all((uv > 0) & (uv < 64))
    np.testing.assert_allclose(CAMERA.to_plane(uv, 0.02), xy, atol=1e-9)
    wide = CAMERA.scaled(640, 640)
    np.testing.assert_allclose(
        wide.to_plane(wide.project(np.array([[0.1, 0.1, 0.0]])), 0.0), [[0.1, 0.1]], atol=1e-9
    )


@pytest.mark.parametrize("light", [0.5, 1.0, 1.2])
@pytest.mark.parametrize("axis", [-1.0, 0.0, 0.7])
def test_blob_is_found_where_it_lies(light, axis):
    image = picture(patch_xy=(0.10, 0.12), long_axis_rad=axis, light=light)
    (blob,) = BlobFinder(CAMERA).find(image, (0.0, 0.0, 0.2))
    assert np.hypot(blob.x_m - 0.10, blob.y_m - 0.12) < 0.012
    assert abs((blob.axis_rad - axis + np.pi / 2) % np.pi - np.pi / 2) < 0.25


def test_pick_closes_on_the_patch_across_its_long_axis_and_lifts():
    image = picture(patch_xy=(-0.10, -0.12), long_axis_rad=0.7)
    pose, at_close, _, steps = follow(ScriptedPick(CAMERA, EXACT), image)
    assert np.hypot(at_close[0] + 0.10, at_close[1] + 0.12) < 0.015
    assert at_close[2] < 0.035
    assert abs((at_close[3] - 0.7 + np.pi / 2) % np.pi - np.pi / 2) < 0.25
    assert steps is not None and steps <= 16 and pose[2] > 0.1


@pytest.mark.parametrize("hangs", [True, False])
def test_the_cloths_script_takes_the_largest_patch_and_tries_again_where_it_still_lies(hangs):
    small, cloth = picture(patch_xy=(-0.10, -0.12)), picture(patch_xy=(-0.10, -0.12))
    v, u = np.mgrid[:64, :64]
    there = np.abs(CAMERA.to_plane(np.stack([u, v], -1), 0.02) - (0.09, 0.08)).max(-1) < 0.08
    cloth[there] = (140, 64, 215)
    for seed in range(20):
        pose, closed, policy = np.array([0.0, 0.0, 0.20, 0.0]), False, ScriptedPick(CAMERA, CLOTH)
        closings = openings = 0
        for step in range(20):
            image = small if hangs and closed else cloth
            width = 0.004 if closed else 0.1
            asked = request(image, tuple(pose), step, closed=closed, opening=width, seed=seed)
            action = policy.choose([asked])[0].action
            if action.terminate:
                break
            if action.close:
                closed, closings = True, closings + 1
                assert np.abs(pose[:2] - (0.09, 0.08)).max() < 0.13 and pose[2] < 0.03
            if action.open:
                closed, openings = False, openings + 1
                assert pose[2] > 0.08
            pose = pose + [*action.translation_m, action.azimuth_rad]
        else:
            pytest.fail("the script went on")
        assert (closings, openings) == ((1, 0) if hangs else (2, 1))
        assert pose[2] > 0.14, "too low for a cloth's middle"


def test_pick_depends_on_seed_and_observation_only():
    image = picture(patch_xy=(0.1, 0.1))
    first, other = ScriptedPick(CAMERA), ScriptedPick(CAMERA)
    other.choose([request(image, (0, 0, 0.2, 0), 0, seed=9, robot="robot_2")])
    a = first.choose([request(image, (0, 0, 0.2, 0), 0)])[0]
    b = other.choose([request(image, (0, 0, 0.2, 0), 0)])[0]
    assert a.action == b.action
    assert a.action != first.choose([request(image, (0, 0, 0.2, 0), 0, seed=4)])[0].action


@pytest.mark.parametrize("kind", ["pick", "place", "rearrange"])
def test_a_question_asked_again_gets_the_same_answer(kind):
    def answers(times):
        pick, place = ScriptedPick(CAMERA, EXACT), ScriptedPlace(TASKS)
        policy = {"pick": pick, "place": place, "rearrange": ScriptedRearrange(pick, place)}[kind]
        pose, out = np.array([0.0, 0.0, 0.2, 0.0]), []
        for step in range(20):
            asked = request(picture(patch_xy=(-0.1, -0.12)), tuple(pose), step, closed=True)
            got = [policy.choose([asked])[0].action for _ in range(times)]
            assert len(set(got)) == 1
            out.append(got[0])
            if out[-1].terminate:
                break
            pose = pose + [*out[-1].translation_m, out[-1].azimuth_rad]
        return out

    assert answers(1) == answers(3)


def test_what_looks_refuses_a_request_without_its_picture():
    observation = Observation(0.0, {}, False, 0.1, (0, 0, 0.2, 0))
    asked = PolicyRequest("r", "e", 0, 1, "t", "p", observation)
    cover = ScriptedPlace(TASKS, COVER, BlobFinder(CAMERA, ON_PLATE))
    for policy in (ScriptedPick(CAMERA), cover):
        answer = policy.choose([asked])[0]
        assert answer.error == 3 and "shoulder" in answer.error_msg


def let_go(policy, seed, image=None):
    """Where a tool that obeys lets go, m; the script ends soon after."""
    image = picture() if image is None else image
    pose, at = np.array([0.0, 0.0, 0.2, 0.0]), None
    for step in range(17):
        asked = request(image, tuple(pose), step, closed=True, task="place-top-left", seed=seed)
        action = policy.choose([asked])[0].action
        assert action.problem() is None
        if action.open:
            at = pose[:3]
        if action.terminate:
            return at
        pose = pose + [*action.translation_m, action.azimuth_rad]
    pytest.fail("the script went on")


def test_place_lets_go_over_the_section_of_its_task():
    places = [let_go(ScriptedPlace(TASKS), seed) for seed in range(30)]
    assert 10 <= sum(x > 0 and y > 0.32 and z < 0.09 for x, y, z in places) <= 26


def test_put_down_lets_go_low_over_the_floor_whatever_the_task():
    places = [let_go(ScriptedPlace(TASKS, PUT_DOWN), seed) for seed in range(30)]
    inside = [abs(x) < 0.17 and abs(y) < 0.17 and z < 0.07 for x, y, z in places]
    assert sum(inside) >= 24
    assert np.std([place[:2] for place in places], axis=0).min() > 0.05


def test_put_down_keeps_clear_of_what_it_sees_on_the_floor():
    patch_xy = (-0.09, -0.09)
    image = picture(patch_xy=patch_xy, long_axis_rad=0.7)
    seen = BlobFinder(CAMERA).find(image, (0.0, 0.0, 0.2))
    assert len(seen) == 1 and np.hypot(seen[0].x_m + 0.09, seen[0].y_m + 0.09) < 0.03

    def nearest(**finders):
        ways = [let_go(ScriptedPlace(TASKS, PUT_DOWN, **finders), i, image) for i in range(30)]
        return min(np.hypot(x - patch_xy[0], y - patch_xy[1]) for x, y, _ in ways)

    assert nearest(clear_of=BlobFinder(CAMERA)) > PUT_DOWN.clear_m - 0.04 > nearest()


@pytest.mark.parametrize("patch_xy", [(-0.08, 0.35), (0.09, 0.28)])
def test_cover_lets_go_high_over_the_coloured_thing_on_the_plate(patch_xy):
    image = picture(patch_xy=patch_xy, bar_y=0.315)
    for seed in range(10):
        policy = ScriptedPlace(TASKS, COVER, BlobFinder(CAMERA, ON_PLATE))
        x, y, z = let_go(policy, seed, image)
        assert np.hypot(x - patch_xy[0], y - patch_xy[1]) < 0.11 and 0.10 < z < 0.17
    clean = replace(COVER, aim_noise_m=(0.0,), step_noise_m=(0.0,))
    x, y, _ = let_go(ScriptedPlace(TASKS, clean, BlobFinder(CAMERA, ON_PLATE)), 0, image)
    assert np.hypot(x - patch_xy[0], y - patch_xy[1]) < 0.035
    assert BlobFinder(CAMERA, ON_PLATE).find(picture(bar_y=0.315), (0, 0, 0.2)) == []


def rearrange(policy, opening, seed=3):
    """Poses at which the gripper closes and opens, how high it was between, the last step."""
    pose, closed, at, highest = np.array([0.0, 0.0, 0.2, 0.0]), False, {}, 0.0
    image = picture(patch_xy=(-0.10, -0.12))
    for step in range(30):
        width = opening if closed else 0.1
        asked = request(image, tuple(pose), step, closed=closed, opening=width, seed=seed)
        action = policy.choose([asked])[0].action
        assert action.problem() is None
        if action.terminate:
            return at, highest, step
        for name in ("close", "open"):
            if getattr(action, name):
                closed, at[name] = name == "close", pose[:3]
        highest = max(highest, pose[2]) if closed else highest
        pose = pose + [*action.translation_m, action.azimuth_rad]
    pytest.fail("the script went on")


def test_rearrange_lifts_and_puts_down_low_elsewhere():
    ways = []
    for seed in range(20):
        policy = ScriptedRearrange(ScriptedPick(CAMERA, EXACT), ScriptedPlace(TASKS, PUT_DOWN))
        at, highest, step = rearrange(policy, 0.03, seed)
        assert highest > 0.11 and at["open"][2] < 0.07 and 9 < step < 30
        ways.append(np.hypot(*(at["open"] - at["close"])[:2]))
    clean = replace(PUT_DOWN, aim_noise_m=(0.0,), step_noise_m=(0.0,))
    assert np.mean(np.array(ways) > 0.1) > 0.75
    for seed in range(30):
        x, y, _ = let_go(ScriptedPlace(TASKS, clean), seed)
        assert np.hypot(x, y) > 0.12 - 0.03, "as near as it comes before it goes down"


def test_rearrange_ends_where_the_pick_ends_with_nothing():
    once = PickConfig(**{**vars(EXACT), "p_retry": 0.0})
    policy = ScriptedRearrange(ScriptedPick(CAMERA, once), ScriptedPlace(TASKS, PUT_DOWN))
    at, _, step = rearrange(policy, 0.0)
    assert "open" not in at and step < 17


def test_scripts_are_made_under_their_names():
    assert set(make_scripts(TASKS, CAMERA)) == set(SCRIPTS) >= {"random", "scripted_rearrange"}


def test_mux_routes_by_name_and_keeps_the_order():
    mux = PolicyMux({"pick": ScriptedPick(CAMERA, EXACT), "random": RandomPolicy()})
    image = picture(patch_xy=(0.1, 0.1))
    names = ["random", "nobody", "pick", "random"]
    answers = mux.choose(
        [request(image, (0, 0, 0.2, 0), 0, policy=n, robot=f"r{i}") for i, n in enumerate(names)]
    )
    assert [a.error for a in answers] == [0, 2, 0, 0]
    assert "nobody" in answers[1].error_msg and "pick" in answers[1].error_msg
    assert answers[0].action == answers[3].action  # the same seed and step
    assert min(answers[2].action.translation_m[:2]) > 0.04


def test_a_steps_draws_do_not_depend_on_what_was_drawn_before():
    steps = (0, 19, 20, 45)
    forwards = {step: step_draws(7, "test", step) for step in steps}
    _draws.cache_clear()
    assert {step: step_draws(7, "test", step) for step in reversed(steps)} == forwards
    others = [step_draws(8, "test", 0), step_draws(7, "other", 0)]
    drawn = [tuple(normal) for normal, _ in [*forwards.values(), *others]]
    assert len(set(drawn)) == len(drawn)
    assert all(len(normal) == 4 and 0 <= uniform < 1 for normal, uniform in forwards.values())
