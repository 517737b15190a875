"""Settings of training from a file, and what `mtopt train` makes of it and its options."""

import argparse
import json
from dataclasses import replace

import pytest
import torch

from mtopt_bringup.commands import train as train_command
from mtopt_bringup.main import main
from mtopt_learning.checkpoint.configuration import to_plain
from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_learning.qlearn.distortion import PUBLISHED, DistortionConfig
from mtopt_learning.train.config import GoalConfig, TrainConfig
from mtopt_learning.train.settings_file import read_settings
from mtopt_learning.train.step_clock import StepClock
from mtopt_sim.cell import cell_tasks
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir
from mtopt_spec.task import load_tasks


@pytest.fixture
def read(tmp_path):
    """Reads settings of a text, on top of a configuration."""

    def read(text, config=None):
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return read_settings(path, config or TrainConfig())

    return read


def test_names_what_it_changes_and_leaves_the_rest(read):
    base = TrainConfig(seed=7, tasks=("lift-any",))
    assert read("gamma: 0.8\nbatch: 64\ntasks: [lift-can, lift-box]\n", base) == replace(
        base, gamma=0.8, batch=64, tasks=("lift-can", "lift-box")
    )


def test_nested_settings_keep_their_other_values(read):
    base = TrainConfig()
    base = replace(base, cem=replace(base.cem, samples=99))
    config = read("cem: {elites: 3}\nsampler:\n  balance: uniform\n", base)
    assert config.cem == replace(base.cem, elites=3)
    assert config.sampler == replace(base.sampler, balance="uniform")


def test_every_setting_can_be_written_and_read(read):
    import yaml

    config = TrainConfig(tasks=("lift-any",), backup="cem_max", distortion=PUBLISHED, seed=3)
    assert read(yaml.safe_dump(to_plain(config))) == config


def test_a_whole_number_does_for_a_real_one(read):
    gamma = read("gamma: 1").gamma
    assert gamma == 1.0 and isinstance(gamma, float)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gama: 0.9", "TrainConfig settings.*'gama'.*only.*gamma"),
        ("cem: {elite: 3}", "CemConfig settings.*'elite'"),
        ("cem: 5", "CemConfig settings.*got int"),
        ("batch: many", "batch.*got 'many'.*int"),
        ("batch: 1.5", "batch.*got 1.5.*int"),
        ("threads: two", "threads.*got 'two'.*int"),
        ("batch: true", "batch.*got True.*int"),
        ("learning_rate: 1e-3", "learning_rate.*got '1e-3'.*1.0e-3"),
        ("multi_head: 1", "multi_head.*got 1.*true or false"),
        ("sharing: 3", "sharing.*got 3.*text"),
        ("tasks: lift-any", "tasks.*got 'lift-any'.*list"),
        ("tasks: [1]", "tasks.*got 1.*text"),
        ("batch:", "batch.*got None"),
        ("gamma: 2", "gamma.*got 2"),
        ("backup: td", "backup.*'td'"),
        ("updater: {kind: thread}", "kind.*'thread'"),
        ("- gamma", "settings.*got list.*names and values"),
        ("", "settings.*got NoneType"),
        ("gamma: [0.9", "expected a YAML file"),
        ("a: !!python/object/apply:os.getcwd []", "expected a YAML file"),
    ],
)
def test_bad_settings_are_named(read, text, says):
    with pytest.raises(InputError, match=f"(?s){says}") as error:
        read(text)
    assert "settings.yaml" in str(error.value) or "config" in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00gamma: 0.9", b"gamma: \x00"])
def test_what_is_no_text_file_is_named(tmp_path, content):
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="settings in .*settings.yaml"):
        read_settings(path, TrainConfig())


# -- the options of `mtopt train` -------------------------------------------------------------


def settings_of(*options, run=None):
    parser = argparse.ArgumentParser()
    train_command.add_arguments(parser)
    arguments = parser.parse_args(["data", "--out", "run", *map(str, options)])
    return train_command._settings(arguments, run or TrainConfig())


def test_without_options_the_defaults_hold():
    assert settings_of() == TrainConfig()


@pytest.mark.parametrize(
    ("options", "want"),
    [
        (["--network", "published"], {"network": "published"}),
        (["--cameras", "shoulder"], {"cameras": ("shoulder",)}),
        (["--distortion", "published"], {"distortion": PUBLISHED}),
        (["--distortion", "none"], {"distortion": DistortionConfig(gain=0.0)}),
        (["--shift-px", 2], {"distortion": DistortionConfig(shift_px=2)}),
        (["--multi-head", "--seed", 4], {"multi_head": True, "seed": 4}),
    ],
)
def test_an_option_changes_its_setting_alone(options, want):
    assert settings_of(*options) == replace(TrainConfig(), **want)


def test_updater_and_sampler_options_change_one_nested_setting():
    base = TrainConfig()
    assert settings_of("--updater", "process").updater == replace(base.updater, kind="process")
    assert settings_of("--balance", "uniform").sampler == replace(base.sampler, balance="uniform")


def test_options_go_before_the_file(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("gamma: 0.7\nbatch: 32\ndistortion: {gain: 0.1, shift_px: 3}\nseed: 5\n")
    config = settings_of("--settings", path, "--batch", 16, "--shift-px", 1)
    assert (config.gamma, config.batch, config.seed) == (0.7, 16, 5)
    assert config.distortion == DistortionConfig(gain=0.1, shift_px=1)


@pytest.mark.parametrize(
    ("options", "tasks", "goals"),
    [
        (["--goals"], 0, {"batch": 128}),
        (["--goals", "--batch", 24], 0, {"batch": 24}),
        (["--goals", "--goal-join", "late"], 0, {"batch": 128, "join": "late"}),
        (["--goals-beside"], 128, {"batch": 64}),
        (["--goals-beside", "--batch", 24], 24, {"batch": 64}),
        (["--goal-join", "late"], 128, {"join": "late"}),
    ],
)
def test_goals_are_learned_alone_or_beside_tasks(options, tasks, goals):
    base = TrainConfig()
    assert settings_of(*options) == replace(base, batch=tasks, goals=replace(base.goals, **goals))


def test_goals_of_a_file_stay_where_the_options_do_not_name_them(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("goals: {batch: 8, join: late, negative_weight: 0}\n")
    base = TrainConfig().goals
    for option in ("--goals", "--goals-beside"):
        config = settings_of("--settings", path, option)
        assert config.goals == replace(base, batch=8, join="late", negative_weight=0.0)


def test_goals_alone_have_no_tasks_and_one_cannot_ask_for_both(capsys):
    with pytest.raises(InputError, match="--tasks in --goals: got .'lift-any'."):
        settings_of("--goals", "--tasks", "lift-any")
    with pytest.raises(SystemExit):
        settings_of("--goals", "--goals-beside")
    assert "not allowed with" in capsys.readouterr().err


def test_a_run_of_goals_alone_goes_on_as_one():
    run = settings_of("--goals", "--batch", 24)
    assert settings_of("--resume", run=run) == run
    more = settings_of("--resume", "--batch", 8, run=run)
    assert more == replace(run, goals=replace(run.goals, batch=8))
    with pytest.raises(InputError, match="--goals-beside.*a run of goals alone"):
        settings_of("--resume", "--goals-beside", run=run)
    with pytest.raises(InputError, match="--tasks"):
        settings_of("--resume", "--tasks", "lift-any", run=run)


@pytest.mark.parametrize(
    "name, value, says",
    [("backup", "cem_max", "recorded next action"), ("step_cost", 0.1, "cost nothing")],
)
def test_what_goals_alone_do_not_heed_is_refused(name, value, says):
    beside = replace(TrainConfig(), **{name: value}, goals=GoalConfig(batch=8))
    with pytest.raises(InputError, match=f"{name}.*{value}.*{says}"):
        replace(beside, batch=0)
    with pytest.raises(InputError, match="backup.*'monte_carlo'"):
        settings_of("--goals", "--backup", "monte_carlo")


def test_a_model_of_goals_is_fine_tuned_to_tasks(small_dataset, tmp_path, capsys):
    """And gone on with as one of goals; where its goals join is its own."""

    def train(out, *options, steps=1):
        command = ["train", small_dataset, "--out", tmp_path / out, "--steps", steps, "--batch", 4]
        code = main([str(x) for x in (*command, "--threads", 1, *options, "--json")])
        told = capsys.readouterr()
        return code, json.loads(told.out.splitlines()[-1]) if told.out else told.err

    code, told = train("goals", "--goals", "--goal-join", "late", steps=2)
    assert code == 0 and told["steps"] == 2 and "goal_loss" in told
    checkpoint = tmp_path / "goals" / "checkpoint"
    learned = load_q_function(checkpoint)
    assert learned.tasks == () and learned.network.config.goal_join == "late"
    code, told = train("lift", "--from", checkpoint, "--tasks", "lift-any", "--seed", 7)
    tuned = load_q_function(tmp_path / "lift" / "checkpoint", cell_tasks().names)
    assert code == 0 and tuned.network.config == learned.network.config
    assert tuned.tasks == cell_tasks().names
    ours, theirs = (next(iter(q.network.parameters())) for q in (tuned, learned))
    assert (ours - theirs).abs().max() < 0.01, "one step away, not another draw"
    gate = tuned.network.task_gate.weight
    assert (gate - gate[:, -1:]).abs().max() < 0.01, "every task begins as the goal"
    for option in ("--goals", "--goals-beside"):
        assert train("more" + option, "--from", checkpoint, option)[0] == 0
    code, says = train("other", "--from", checkpoint, "--goals", "--goal-join", "input")
    assert code == 2 and "goals.join" in says
    code, says = train("lift", "--resume", "--goals-beside", "--goal-join", "input")
    assert code == 2 and "goals.join" in says


def test_tasks_of_ones_own_file_are_trained(tmp_path, capsys):
    from mtopt_bringup.benchmarks.synthetic_dataset import write_synthetic

    mine = share_dir() / "params" / "tasks_cloth.yaml"
    names, data = load_tasks(mine).names, str(tmp_path / "data")
    write_synthetic(tmp_path / "data", names, 30)
    command = ["train", data, "--steps", "1", "--batch", "4", "--threads", "1", "--out"]
    assert main([*command, str(tmp_path / "other")]) == 2
    assert "--tasks-file" in capsys.readouterr().err
    for more in ([], ["--resume"]):
        assert main([*command, str(tmp_path / "run"), "--tasks-file", str(mine), *more]) == 0
    assert load_q_function(tmp_path / "run" / "checkpoint", names).tasks == names


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--settings", "nothing.yaml"], "settings in nothing.yaml"),
        (["--cameras", "elbow"], "camera in train config: got elbow"),
        (["--network", "published"], "expected 472x472"),
    ],
)
def test_the_command_refuses_what_the_data_set_cannot_do(
    small_dataset, tmp_path, options, says, capsys
):
    command = ["train", str(small_dataset), "--out", str(tmp_path / "run"), "--steps", "1"]
    assert main([*command, *options]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoint").exists()


@pytest.fixture(scope="module")
def small_dataset(tmp_path_factory):
    """30 episodes with empty pictures, of the cell's cameras and tasks."""
    from mtopt_bringup.benchmarks.synthetic_dataset import write_synthetic

    folder = tmp_path_factory.mktemp("synthetic") / "data"
    write_synthetic(folder, cell_tasks().names, 30)
    return folder


# -- the clock --------------------------------------------------------------------------------


def test_the_clock_adds_up_each_phase(monkeypatch):
    now = iter([0.0, 1.0, 1.0, 1.5, 2.0, 4.0])
    monkeypatch.setattr("mtopt_learning.train.step_clock.time.perf_counter", lambda: next(now))
    clock = StepClock(torch.device("cpu"))
    for name in ("forward", "data", "forward"):
        with clock.phase(name):
            pass
    assert clock.spent_s == {"forward": 3.0, "data": 0.5}
