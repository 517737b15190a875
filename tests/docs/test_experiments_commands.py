"""Every command that docs/experiments.md shows runs, in its order; only smaller."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mtopt_bringup.main import main

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"
SMALLER = {
    "paper": [
        "--set", "scripted_episodes=24", "lift_share=4", "place_share=2", "learned_rounds=0",
        "online_rounds=0", "steps=2", "evaluation_episodes=1", "robots=2", "train={batch: 8}",
        "--rows", "clone", "--json",
    ],
    "goals": [
        "--set", "steps=2", "goals=1", "goal_batch=8", "beside_batch=8", "beside_steps=1",
        "tasks=[]", "evaluation_episodes=1", "max_steps=20", "robots=4", "train={batch: 8}",
        "rearrangements=4",
        "--rows", "actionable", "--json",
    ],
    "train": ["--steps", "5", "--episodes", "40", "--batch", "8"],
}  # fmt: skip
"""What is appended to a benchmark's command; the last of two options counts."""


def commands() -> list[list[str]]:
    return [shlex.split(text) for text in re.findall(r"^\./mtopt (.+)$", PAGE.read_text(), re.M)]


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_run_in_its_order(tmp_path, monkeypatch, capsys):
    """The pieces in their order; the call of all parts, which stands first, then has no work."""
    monkeypatch.chdir(tmp_path)
    whole, *pieces = [command for command in commands() if command[1] == "paper"]
    assert [c[c.index("--parts") + 1 :][:2] for c in pieces] == [
        ["collect"], ["train", "--rows"], ["train", "evaluate"], ["write"]
    ]  # fmt: skip
    new = [{"collect_scripted_01", "data"}, {"train_clone_0"}, {"evaluate_clone_0"}, set(), set()]
    before = {}
    for command, wanted in zip([*pieces, whole], new, strict=True):
        assert main([*command, *SMALLER["paper"]]) == 0, command
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert result["finished"] and "--out paper/" in " ".join(command)
        stages = {p.stem: p.stat().st_mtime_ns for p in Path("paper/stages").iterdir()}
        assert set(stages) - set(before) == wanted and before.items() <= stages.items()
        before = stages
    assert "clone" in result["means"] and Path(result["page"]).is_file()


@pytest.mark.timeout(300)
def test_the_commands_with_goals_run_in_their_order(tmp_path, monkeypatch, capsys):
    """The pieces, then all parts: what is left is what comes downstream."""
    monkeypatch.chdir(tmp_path)
    collect = next(c for c in commands() if c[1] == "paper" and "collect" in c)
    assert main([*collect, *SMALLER["paper"]]) == 0
    whole, *pieces = [command for command in commands() if command[1] == "goals"]
    new = [
        {"goals_known", "goals_unseen", "collect_rearrange_01", "data", "train_actionable_0"},
        {"evaluate_actionable_0_known", "evaluate_actionable_0_unseen"},
        set(),
        {
            "own_episodes", "train_tasks_0", "train_tasks_and_goals_0", "evaluate_tasks_0",
            "evaluate_tasks_and_goals_0",
        },
    ]  # fmt: skip
    before = {}
    for command, wanted in zip([*pieces, whole], new, strict=True):
        assert main([*command, *SMALLER["goals"]]) == 0, command
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert result["finished"]
        stages = {p.stem: p.stat().st_mtime_ns for p in Path("goals/stages").iterdir()}
        assert set(stages) - set(before) == wanted and before.items() <= stages.items()
        before = stages
    assert set(result["reached"]) == {"actionable"} and Path(result["page"]).is_file()


def test_a_steps_time_by_the_commands_of_the_page(capsys):
    train = [command for command in commands() if command[1] == "train"]
    (goals,) = (command for command in train if "--goals" in command)
    one, two = (command for command in train if command != goals)
    assert main([*goals, *SMALLER["train"]]) == 0
    assert "negatives_share" in json.loads(capsys.readouterr().out.splitlines()[-1])
    assert main([*one, *SMALLER["train"]]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["threads"] == 1
    assert two == [text.replace("1", "2") for text in one]


def test_options_rows_and_files_that_the_page_names_are_there():
    from mtopt_bringup.actionable.config import SCALES as GOAL_SCALES
    from mtopt_bringup.actionable.rows import ROWS
    from mtopt_bringup.paper.arms import ARMS
    from mtopt_bringup.paper.config import SCALES

    text, root = PAGE.read_text(), PAGE.parents[1]
    assert all(f"| `{row.name}` |" in text for row in ROWS)
    for what, name in (
        ("gradient steps a row", "steps"), ("goals of a kind, each set", "goals"),
        ("gradient steps of fine-tuning", "fine_tune_steps"), ("seeds", "seeds"),
        ("gradient steps of all tasks", "beside_steps"), ("rearrangements", "rearrangements"),
        ("episodes of a downstream task", "evaluation_episodes"),
    ):  # fmt: skip
        sizes = " | ".join(f"{getattr(config, name):,}" for config in GOAL_SCALES.values())
        assert f"| {what} | {sizes} |" in text
    assert all(f"`{arm.name}`" in text for arm in ARMS)
    for name in re.findall(r"`(mtopt_bringup/\S+\.\w+)`", text):
        assert (root / "src" / "mtopt_bringup" / name).is_file(), name
    for name, config in SCALES.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.+) \|$", text, re.M)
        assert row.split(" | ")[:5] == [
            f"{config.scripted_episodes:,}",
            f"{config.learned_rounds} x {config.learned_episodes:,}",
            f"{config.steps:,}", str(config.evaluation_episodes), str(config.seeds),
        ]  # fmt: skip
