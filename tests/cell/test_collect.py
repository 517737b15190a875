"""The in-process loop."""

import signal
import time

import pytest

from mtopt_bringup.in_process import CollectConfig, collect

SMALL = CollectConfig(robots=2, episodes=4, seed=7, tasks=("lift-any",), processes=1)


def ends(config, **how):
    """(id, reason, steps, labels) of every episode, sorted."""
    seen = []
    collected = collect(
        config,
        on_episode=lambda b, e: seen.append((b.episode_id, e.reason, e.steps, e.labels)),
        **how,
    )
    return sorted(seen), collected


def test_one_seed_gives_one_result_whatever_the_number_of_processes():
    here, collected = ends(SMALL)
    there, _ = ends(CollectConfig(**{**vars(SMALL), "processes": 2}))
    other, _ = ends(CollectConfig(**{**vars(SMALL), "seed": 8}))
    assert here == there != other
    assert collected.episodes == 4 and collected.control_steps > 20


def test_a_later_run_into_the_same_folder_adds_other_episodes(tmp_path, mtopt, episodes):
    run = ("collect", "--robots", 1, "--episodes", 2, "--out", tmp_path, "--tasks", "lift-any")
    assert mtopt(*run)["episodes"] == 2
    first = episodes(tmp_path)
    assert mtopt(*run)["episodes"] == 2
    both = episodes(tmp_path)
    assert len(both) == 4 and set(first) < set(both)
    assert len({e.begin.seed for e in both.values()}) == 4, "no episode is drawn twice"


def test_ctrl_c_keeps_what_is_complete(tmp_path, started, episodes):
    process = started(
        "collect",
        "--robots",
        2,
        "--episodes",
        10_000,
        "--out",
        tmp_path,
        "--processes",
        2,
        "--json",
    )
    try:
        end = time.monotonic() + 180
        while not any(f.stat().st_size > 20_000 for f in tmp_path.rglob("*.mcap")):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not list(tmp_path.rglob("*.partial"))
    assert episodes(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tasks", "lift-unicorn"), "lift-unicorn"),
        (("--robots", "99"), "99"),
        (("--policy", "wizard"), "wizard"),
        (("--policy", "qfunction"), "--checkpoint"),
        (("--episodes", "0"), "--episodes"),
    ],
)
def test_bad_arguments_are_refused_before_anything_starts(tmp_path, mtopt, arguments, said):
    for command in ("collect", "cell"):
        result = mtopt(command, "--out", tmp_path / "bags", *arguments)
        assert result["exit_code"] == 2
        assert said in result["stderr"] and "expected" in result["stderr"]
        assert not (tmp_path / "bags").exists()
