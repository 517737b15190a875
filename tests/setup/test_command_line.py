"""The command line: numbers out of bounds, files that cannot be written, a line for a person."""

import argparse
import importlib
import os
import sys

import pytest

from mtopt_bringup.commands import demo
from mtopt_bringup.main import COMMANDS, main

UNBOUNDED = {("doctor", "--board-pose")}


def options(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from options(sub)
        elif action.option_strings:
            yield action


def test_every_number_has_a_bound():
    found = set()
    for command in COMMANDS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"mtopt_bringup.commands.{command}").add_arguments(parser)
        numbers = [option for option in options(parser) if option.type in (int, float)]
        found |= {(command, option.option_strings[0]) for option in numbers}
    assert found == UNBOUNDED


@pytest.mark.parametrize(
    "line",
    [
        "train data --out run --save-every 0",
        "train data --out run --save-every -5",
        "train data --out run --steps -4",
        "train data --out run --steps 1.5",
        "train data --out run --minutes -1",
        "train data --out run --minutes nan",
        "train data --out run --minutes inf",
        "train data --out run --threads -1",
        "train data --out run --seed -3",
        "train data --out run --seed 99999999999",
        "train data --out run --recent-share 1.01",
        "success train data --out detector --steps -3",
        "success train data --out detector --threads -1",
        "success uncertain data --detector detector --out list.csv --per-task -2",
        "dataset build bags --out data --threads -1",
        "collect --out bags --processes -1",
        "cell --out bags --real-time-factor -1",
        "doctor --robot ur5e --seconds 0",
        "goals from-bags bags --out goals --every 0",
        "report --seed -1",
        "eval --seed -1",
        "success train data --out detector --false-positive-rate 0",
        "success train data --out detector --false-positive-rate 1",
        "benchmark train --dataset none --steps 0",
        "benchmark new-task --base none --minutes nan",
        "benchmark goals --data none --processes -1",
    ],
)
def test_a_number_out_of_bounds_is_refused_by_name(line, capsys):
    *_, option, value = words = line.split()
    with pytest.raises(SystemExit) as ended:
        main(words)
    *_, told = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and f"{option}: got {value}, expected a" in told


@pytest.mark.parametrize(
    "line",
    [
        "train data --out run --threads 0 --seed 0 --minutes 0.1 --success-share 1 --batch 0",
        "collect --out bags --processes 0 --epsilon 0 --episodes 1 --seed 2147483647",
        "cell --out bags --real-time-factor 0 --lockstep-timeout 0",
        "report --strips 0 --stories 0",
    ],
)
def test_a_number_at_its_bound_is_taken(line):
    command, *words = line.split()
    parser = argparse.ArgumentParser()
    importlib.import_module(f"mtopt_bringup.commands.{command}").add_arguments(parser)
    parsed = parser.parse_args(words)
    for option, value in zip(words, words[1:]):
        if option.startswith("--") and option != "--out":
            assert getattr(parsed, option[2:].replace("-", "_")) == float(value)


# -- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("collect --robots 1 --episodes 1 --processes 1 --out FILE", "FILE: "),
        ("collect --robots 1 --episodes 1 --processes 1 --out FILE/bags", "FILE/bags: Not a dir"),
        ("report --out FOLDER", "FOLDER"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(line, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    (tmp_path / "FOLDER").mkdir()
    assert main(line.split()) == 2
    told = capfd.readouterr().err.splitlines()[-1]
    assert told.startswith(f"mtopt {line.split()[0]}: ") and said in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FILE", "FOLDER"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "demo/here: No space left on device"),
        (PermissionError(13, "Permission denied", "a", None, "b"), "a: b: Permission denied"),
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (TimeoutError("the time is over"), "the time is over"),
        (ConnectionError(), "ConnectionError"),
    ],
)
def test_whatever_the_system_says_is_a_line(error, said, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(demo, "run", fail)
    assert main(["demo", "--out", "demo/here"]) == 2
    assert capsys.readouterr().err == f"mtopt demo: {said}\n"


def test_a_name_that_is_no_text_is_written_and_told(tmp_path, monkeypatch, capsys):
    out = os.fsdecode(os.fsencode(tmp_path) + b"/na\xffme.html")
    command = ["report", "--out", out]
    monkeypatch.setattr(sys, "argv", ["mtopt", *command])
    assert main(command) == 0
    with open(out) as file:
        assert "na\\udcffme.html" in file.read()
    monkeypatch.setattr(demo, "run", lambda arguments: {})
    monkeypatch.setattr(demo, "text", lambda result: f"report: {out}\n")
    assert main(["demo"]) == 0 and "na\\udcffme.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("goals demonstrate --out goals --kinds grasp --episodes 1", "goals/notes.txt"),
        ("train nowhere --out run --steps 1", "run/checkpoint/notes.txt"),
    ],
)
def test_a_folder_of_somebody_elses_is_refused_before_the_work(
    line, held, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / held).parent.mkdir(parents=True)
    (tmp_path / held).write_text("precious")
    assert main(line.split()) == 2
    told = capsys.readouterr().err
    assert "got notes.txt" in told and "name another folder" in told
    assert (tmp_path / held).read_text() == "precious" and "episode" not in told
