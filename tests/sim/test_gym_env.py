"""The Gymnasium environment keeps Gymnasium's contract and the cell's."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from mtopt_spec.errors import InputError

gym_env = pytest.importorskip("mtopt_bringup.gym_env")


@pytest.fixture(scope="module")
def env():
    made = gymnasium.make("mtopt_bringup.gym_env:mtopt/BinCell-v0", render_mode="rgb_array")
    yield made
    made.close()


def _still(**flags):
    action = np.array([0, 0, 0, 0, 1, 0, 0, 0], np.float32)
    for name, value in flags.items():
        action[("close", "open", "terminate").index(name) + 5] = value
    return action


def test_gymnasiums_own_checks_pass(env):
    check_env(env.unwrapped, skip_render_check=True)


def test_an_episode_ends_by_the_flag_or_by_time(env):
    env.reset(seed=0)
    *_, terminated, truncated, info = env.step(_still(terminate=1))
    assert terminated and not truncated and info["error"] == "NONE"
    env.reset(seed=0)
    ends = [env.step(_still())[2:4] for _ in range(20)]
    assert ends[-1] == (False, True) and not any(any(end) for end in ends[:-1])


def test_an_action_moves_the_tool_by_what_it_says(env):
    before, _ = env.reset(seed=1)
    action = _still(close=1)
    action[:3] = [0.03, -0.02, 0.01]
    after, reward, *_ = env.step(action)
    np.testing.assert_allclose(
        after["state"][2:5] - before["state"][2:5], [0.03, -0.02, 0.01], atol=0.003
    )
    assert after["state"][0] == 1 and before["state"][0] == 0 and reward == 0


def test_same_seed_same_observations(env):
    first, _ = env.reset(seed=5)
    env.step(_still())
    again, _ = env.reset(seed=5)
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_a_lift_is_rewarded(env):
    from exact_pick import ExactArm, pick

    env.reset(seed=3, options={"objects": ["milk"]})
    station = env.unwrapped._station
    pick(station, ExactArm(station), "milk", shake=False)
    # The arm's first command begins where the fingers are: their grip is loose for a moment.
    env.step(_still(close=1))
    _, reward, terminated, _, info = env.step(_still(terminate=1))
    assert terminated and reward == 1.0 and info["success"]["lift-milk"]
    assert not info["success"]["lift-can"]


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="lift-any"):
        gym_env.BinCellEnv(task="lift-pear")


def test_two_environments_side_by_side():
    both = gymnasium.make_vec(
        "mtopt_bringup.gym_env:mtopt/BinCell-v0", num_envs=2, vectorization_mode="sync"
    )
    observation, _ = both.reset(seed=[1, 2])
    assert observation["shoulder"].shape == (2, 64, 64, 3)
    assert not np.array_equal(observation["shoulder"][0], observation["shoulder"][1])
    _, reward, *_ = both.step(np.stack([_still(), _still()]))
    assert reward.shape == (2,)
    both.close()
