"""The training cache: the right rows, once each, whatever interrupts its making."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader

from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_learning.dataset import build
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.relabel.impersonation import sharing_index
from mtopt_learning.relabel.sampler import SamplerConfig, StepSampler
from mtopt_learning.relabel.success_rates import share_by_success_rate
from mtopt_spec import bag_topics as topics
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.task import Task, TaskList

TASKS = ("lift-any", "lift-can", "place-any")


def greys(dataset, camera="shoulder"):
    """Brightness of every observation's picture."""
    return dataset.images[camera][:, 0, 0, 0].astype(int)


def content(folder):
    """All that a cache holds, in a form that can be compared."""
    d = Dataset.open(folder)
    arrays = (d.state, d.action, d.obs_episode, d.obs_step, d.episode_start, d.labels())
    pictures = (np.array(d.images[camera]) for camera in sorted(d.images))
    return [list(d.episode_ids), *(np.nan_to_num(a, nan=-9).tolist() for a in (*arrays, *pictures))]


@pytest.fixture
def bags(tmp_path, make_episode, write_bag):
    """Four bags of three episodes of 2, 3, 4 .. steps; the fifth episode is void."""
    episodes = [make_episode(n, steps=2 + n % 5) for n in range(12)]
    episodes[4] = make_episode(4, steps=6, reason=EndReason.FAULT, fault=Fault.ARM)
    return write_bag(tmp_path / "bags", episodes, max_episodes=3)


@pytest.fixture
def dataset(bags, tmp_path):
    build_dataset(bags, tmp_path / "data", TASKS)
    return Dataset.open(tmp_path / "data")


def test_every_row_is_the_observation_that_it_says(dataset, grey_value):
    numbers = [n for n in range(12) if n != 4]
    assert list(dataset.episode_ids) == [f"test-robot_1-{n}" for n in numbers]
    assert dataset.episode_steps.tolist() == [2 + n % 5 for n in numbers]
    assert dataset.n_obs == sum(3 + n % 5 for n in numbers)
    want = [grey_value(numbers[e], s) for e, s in zip(dataset.obs_episode, dataset.obs_step)]
    for camera in ("shoulder", "wrist"):
        assert np.abs(greys(dataset, camera) - want).max() <= 1
    assert dataset.state[:, 2] == pytest.approx(0.01 * dataset.obs_step, abs=1e-6)


def test_actions_stay_on_their_side_of_the_seam_between_episodes(dataset):
    last = dataset.episode_start + dataset.episode_steps
    assert np.flatnonzero(dataset.is_last).tolist() == last.tolist()
    assert np.isnan(dataset.action[last]).all() and np.isnan(dataset.commanded[last]).all()
    rows = dataset.action_rows
    assert np.isfinite(dataset.action[rows]).all() and len(rows) == dataset.episode_steps.sum()
    inner = rows[dataset.obs_step[rows] < dataset.episode_steps[dataset.obs_episode[rows]] - 1]
    assert dataset.action[inner, 0] == pytest.approx(0.001 * dataset.obs_step[inner], abs=1e-7)
    following = dataset.next_row(rows)
    assert (dataset.obs_episode[following] == dataset.obs_episode[rows]).all()
    assert (dataset.obs_step[following] == dataset.obs_step[rows] + 1).all()
    assert dataset.last_row(np.array([0, 3])).tolist() == last[[0, 3]].tolist()
    with pytest.raises(ValueError, match="no next one"):
        dataset.next_row(last[:1])


@pytest.mark.parametrize(
    "key",
    [
        3, -1, slice(None), slice(2, 30), slice(None, None, 7), slice(25, 3, -4), slice(9, 9),
        np.array([40, 0, -2, 13]), np.array([[1, 20], [38, 5]]), np.array([], int),
        np.arange(50) % 3 == 0, (slice(4, 33, 3), 1), (slice(0, 50), slice(1, 3)),
        (slice(3, 20), [0, 2]), (12, 2),
    ],
    ids=str,
)  # fmt: skip
def test_a_column_over_several_files_reads_like_one_array(key, dataset):
    assert dataset.state.shape == (50, 7) and len(list(dataset.folder.glob("steps_*.arrow"))) == 4
    whole = np.concatenate([dataset.state[row : row + 1] for row in range(50)])
    assert whole[:, 2] == pytest.approx(0.01 * dataset.obs_step, abs=1e-6)
    np.testing.assert_array_equal(dataset.state[key], whole[key])


def test_a_column_stays_where_it_is_mapped_and_ends_where_the_data_end(dataset):
    assert not dataset.state[2:5].flags.writeable  # a view of the file
    with pytest.raises(IndexError, match="3 to 50 of 50"):
        dataset.state[np.array([3, 50])]
    with pytest.raises(TypeError, match="rows must be a slice"):
        dataset.state[np.array([3, 4]), [0, 2]]


def test_labels_and_the_order_of_their_sources(dataset):
    labels = dataset.labels("simulator")
    numbers = dataset.episodes["episode_number"].to_numpy()
    assert labels[:, 0].tolist() == (numbers % 2 == 0).astype(float).tolist()
    assert np.isnan(labels[:, 2]).all() and np.isnan(dataset.labels("person")).all()
    detector = np.full(labels.shape, 0.25, np.float32)
    person = np.full(labels.shape, np.nan, np.float32)
    person[0] = [0.0, 1.0, 1.0]
    dataset.write_labels("detector", detector, {"detector": "abc"})
    dataset.write_labels("person", person)
    best = Dataset.open(dataset.folder).labels("best")
    assert best[0].tolist() == [0.0, 1.0, 1.0]
    assert best[1:, :2].tolist() == labels[1:, :2].tolist()
    assert np.isnan(dataset.labels("import")).all()
    assert (best[1:, 2] == 0.25).all()
    assert dataset.labels_about("detector")["detector"] == "abc"
    with pytest.raises(InputError, match="labels of detector"):
        dataset.write_labels("detector", detector + 1)
    with pytest.raises(InputError, match="label source"):
        dataset.labels("rumour")


def test_labels_on_a_full_disk_leave_those_that_were_there(dataset, monkeypatch):
    shape = dataset.labels().shape
    dataset.write_labels("person", np.ones(shape), {"file": "first"})

    def full(*_):
        raise OSError(28, "No space left on device")

    # where the first bytes are to be written, and where the last ones are
    for name in ("fsync", "rename"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, full)
            with pytest.raises(OSError, match="No space"):
                dataset.write_labels("person", np.zeros(shape), {"file": "second"})
        again = Dataset.open(dataset.folder)
        assert (again.labels("person") == 1).all() and (again.labels("best") == 1).all()
        assert again.labels_about("person")["file"] == "first"


def test_labels_of_the_older_two_files_are_read_and_then_replaced(dataset):
    old = np.full((11, 2), np.nan, np.float32)
    old[3, 1] = 1.0
    np.save(dataset.folder / "labels_person.npy", old)
    about = {"tasks": ["gone", "place-any"], "file": "old"}
    (dataset.folder / "labels_person.json").write_text(json.dumps(about))
    person = dataset.labels("person")
    assert np.argwhere(np.isfinite(person)).tolist() == [[3, 2]] and dataset.labels("best")[3, 2]
    assert dataset.labels_about("person") == about
    person[4, 0] = 0.0
    dataset.write_labels("person", person, {"file": "new"})
    np.testing.assert_array_equal(Dataset.open(dataset.folder).labels("person"), person)
    assert dataset.labels_about("person")["file"] == "new"
    assert len(list(dataset.folder.glob("labels_person*"))) == 1


def test_a_bag_whose_episodes_are_there_already_is_refused(
    bags, tmp_path, dataset, make_episode, write_bag
):
    before = content(dataset.folder)
    alike = write_bag(tmp_path / "bags2", [make_episode(n) for n in (2, 3, 20)])[0]
    added = write_bag(tmp_path / "bags3", [make_episode(30)])[0]
    for known in ([], [added]):
        with pytest.raises(
            InputError, match=f"{alike}: got 2 episodes.*robot_1/bag_0000.*test-robot_1-2, "
            "test-robot_1-3.*new folder",
        ):  # fmt: skip
            build_dataset([*bags, *known, alike], dataset.folder, TASKS)
        assert len(content(dataset.folder)[0]) == len(before[0]) + len(known)
    # both in one call
    with pytest.raises(InputError, match=f"{alike}: got 2 .*whose ids {bags[0]} brought"):
        build_dataset([*bags, alike], tmp_path / "both", TASKS)


def test_a_bag_that_was_repaired_after_it_was_built_does_not_count_twice(bags, tmp_path, dataset):
    from mtopt_bringup.commands.bags import check

    before = content(dataset.folder)
    file = next(bags[0].glob("*.mcap"))
    os.truncate(file, file.stat().st_size - 20)
    assert check([tmp_path / "bags"], repair=True)["recovered"] == 3
    with pytest.raises(InputError, match="got 3 episodes whose ids robot_1/bag_0000 brought"):
        build_dataset(bags, dataset.folder, TASKS)
    assert content(dataset.folder) == before
    assert build_dataset(bags, tmp_path / "new", TASKS)["episodes"] == 11


def test_a_file_means_its_bag_alone_and_no_other_file_means_any(bags, tmp_path):
    assert find_bags([bags[1] / "metadata.yaml"]) == [bags[1]]
    assert find_bags([next(bags[2].glob("*.mcap"))]) == [bags[2]]
    (tmp_path / "loose.mcap").write_bytes(b"")
    assert find_bags([tmp_path / "loose.mcap"]) == [tmp_path]
    (tmp_path / "outcomes.csv").write_text("")
    with pytest.raises(InputError, match="outcomes.csv: got another file"):
        find_bags([tmp_path / "outcomes.csv"])


def test_a_bag_without_metadata_is_told_how_to_get_it(bags, tmp_path, capsys):
    from mtopt_bringup.main import main

    (bags[0] / "metadata.yaml").unlink()
    command = ["dataset", "build", str(tmp_path / "bags"), "--out", str(tmp_path / "data")]
    assert main(command) == 2
    assert "no metadata.yaml" in (said := capsys.readouterr().err)
    assert "mtopt bags check --repair" in said
    assert main(["bags", "check", "--repair", str(tmp_path / "bags")]) == 0
    assert main(command) == 0


def test_only_new_bags_are_read_and_the_result_is_the_same(bags, tmp_path, dataset):
    steps = [build_dataset(bags[: n + 1], tmp_path / "grown", TASKS) for n in range(len(bags))]
    assert [s["bags_added"] for s in steps] == [1, 1, 1, 1]
    assert steps[-1]["bags_skipped"] == 3
    again = build_dataset(bags, tmp_path / "grown", TASKS)
    assert (again["bags_added"], again["episodes"]) == (0, 11)
    assert content(tmp_path / "grown") == content(dataset.folder)
    assert steps[-1]["fingerprint"] == again["fingerprint"] == dataset.fingerprint


def test_bags_named_later_count_as_newer(tmp_path, make_episode, write_bag):
    late, early = tmp_path / "a", tmp_path / "b"
    for number, folder in enumerate((late, early)):
        for robot in ("robot_2", "robot_1"):
            write_bag(folder, [make_episode(number, robot=robot)])
    names = [f"{b.parts[-3]}/{b.parts[-2]}" for b in find_bags([early, late, early])]
    assert names == ["b/robot_1", "b/robot_2", "a/robot_1", "a/robot_2"]


def test_many_small_additions_are_merged(tmp_path, make_episode, write_bag, monkeypatch):
    monkeypatch.setattr(build, "_MAX_SEGMENTS", 3)
    bags = write_bag(tmp_path / "bags", [make_episode(n) for n in range(9)], max_episodes=1)
    build_dataset(bags, tmp_path / "data", TASKS)
    build_dataset([*bags], tmp_path / "data", (*TASKS, "new-task"))
    dataset = Dataset.open(tmp_path / "data")
    assert len(list((tmp_path / "data").glob("*.arrow"))) <= 6
    assert dataset.episodes["episode_number"].to_pylist() == list(range(9))
    assert dataset.labels().shape == (9, 4)


@pytest.mark.parametrize("at_write", range(1, 7))
def test_a_build_that_fails_while_writing_goes_on_where_it_was(
    bags, tmp_path, dataset, monkeypatch, at_write
):
    """Each of the writes that make a commit fails once; what is there can be read, and finished."""
    folder, real, writes = tmp_path / "broken", build.write_aside, []

    def failing(path, data):
        writes.append(path)
        if len(writes) == at_write:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(build, "write_aside", failing)
    with pytest.raises(OSError):
        build_dataset(bags, folder, TASKS)
    monkeypatch.setattr(build, "write_aside", real)
    if (folder / "dataset.json").exists():
        assert content(folder)[0] == content(dataset.folder)[0][: Dataset.open(folder).n_episodes]
    build_dataset(bags, folder, TASKS)
    assert content(folder) == content(dataset.folder)


def test_a_build_that_is_killed_goes_on_where_it_was(bags, tmp_path, dataset):
    code = (
        "import sys; from pathlib import Path; from mtopt_learning.dataset import build\n"
        "def slow(bag, n): print('added', flush=True)\n"
        "folder, *bags = map(Path, sys.argv[1:])\n"
        f"build.build_dataset(bags, folder, {TASKS}, progress=slow)"
    )
    folder = tmp_path / "killed"
    for wait_s in (0.0, 0.004, 0.012):
        child = subprocess.Popen(
            [sys.executable, "-c", code, folder, *bags], stdout=subprocess.PIPE, text=True
        )
        child.stdout.readline()
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        child.wait()
        Dataset.open(folder)
    build_dataset(bags, folder, TASKS)
    assert content(folder) == content(dataset.folder)


def test_pictures_of_another_size_are_refused_or_resized(tmp_path, make_episode, write_bag):
    small = write_bag(tmp_path / "small", [make_episode(0)])
    sizes = {"shoulder": (48, 64), "wrist": (32, 32)}
    large = write_bag(tmp_path / "large", [make_episode(1, sizes=sizes)])
    with pytest.raises(InputError, match=r"camera shoulder .*got \(48, 64\).*expected \(64, 64\)"):
        build_dataset([*small, *large], tmp_path / "data", TASKS)
    assert Dataset.open(tmp_path / "data").n_episodes == 1
    to = {"shoulder": (24, 32), "wrist": (16, 16)}
    build_dataset([*small, *large], tmp_path / "resized", TASKS, image_sizes=to)
    dataset = Dataset.open(tmp_path / "resized")
    assert dataset.images["shoulder"].shape == (8, 24, 32, 3)
    other = write_bag(tmp_path / "other", [make_episode(2, sizes={"shoulder": (64, 64)})])
    with pytest.raises(InputError, match="cameras"):
        build_dataset(other, tmp_path / "data", TASKS)


def with_goal(episode, success: bool):
    """The same episode, as one that was to reach a goal and was judged."""
    label = TaskLabel(REACH_GOAL, success, float(success), "simulator")
    end = replace(episode.end, labels=(*episode.end.labels, label))
    goal = Goal(episode.last_observation.images_jpeg)
    return replace(episode, begin=replace(episode.begin, task=REACH_GOAL), end=end, goal=goal)


@pytest.fixture
def goal_bags(tmp_path, make_episode, write_bag):
    """One bag: an episode of a task, one that reached its goal, one that did not."""
    goals = [with_goal(make_episode(n, steps=25, success=n == 2), n == 2) for n in (2, 3)]
    return write_bag(tmp_path / "goals", [make_episode(0), *goals])


def test_an_episode_that_was_to_reach_a_goal_is_recorded_and_read(goal_bags):
    with BagReader(goal_bags[0]) as reader:
        task, reached, missed = reader.episodes()
    assert [e.begin.task for e in (task, reached, missed)] == ["lift-any", REACH_GOAL, REACH_GOAL]
    assert [reached.end.labels[-1].success, missed.end.labels[-1].success] == [True, False]
    assert [label.task for label in reached.end.labels] == ["lift-any", "lift-can", REACH_GOAL]
    assert reached.end.steps == 25
    last = {camera: pictures[-1] for camera, pictures in reached.images_jpeg.items()}
    assert task.goal_images_jpeg == {} and reached.goal_images_jpeg == last and len(last) == 2
    assert missed.goal_images_jpeg.keys() == last.keys() and missed.goal_images_jpeg != last


def test_a_goal_of_one_camera_is_recorded_as_that_cameras(tmp_path, make_episode, write_bag):
    goals = [Goal({camera: camera.encode()}) for camera in ("wrist", "shoulder")]
    bags = write_bag(tmp_path, [replace(make_episode(i), goal=g) for i, g in enumerate(goals)])
    with BagReader(bags[0]) as reader:
        assert [e.goal_images_jpeg for e in reader.episodes()] == [g.images_jpeg for g in goals]


def test_a_bag_whose_goal_picture_names_no_camera_is_read_without_it(
    monkeypatch, tmp_path, make_episode, write_bag
):
    name = "episode/goal/image/compressed"
    once = replace(topics.goal_image("shoulder"), name=name)
    monkeypatch.setattr(topics, "goal_image", lambda camera: once)
    goal = Goal({"shoulder": b"picture"})
    bags = write_bag(tmp_path, [replace(make_episode(0), goal=goal)])
    with AnyReader(bags) as bag:
        assert f"/robot_1/{name}" in bag.topics
    with BagReader(bags[0]) as reader:
        (episode,) = reader.episodes()
    assert episode.goal_images_jpeg == {} and set(episode.images_jpeg) == {"shoulder", "wrist"}


def test_the_viewer_shows_the_goal_of_the_episodes_that_have_one(goal_bags, tmp_path, capsys):
    from rerun.chunk import RrdReader

    from mtopt_bringup.main import main

    saved = tmp_path / "goals.rrd"
    assert main(["bags", "view", str(tmp_path / "goals"), "--save", str(saved)]) == 0
    rows = []
    for chunk in RrdReader(saved).stream():
        if chunk.entity_path.startswith("/cameras/goal"):
            batch = chunk.to_record_batch()
            rows += batch.select([name for name in batch.schema.names if ":" in name]).to_pylist()
    shown = [bytes(row["EncodedImage:blob"][0]) for row in rows if row.get("EncodedImage:blob")]
    with BagReader(goal_bags[0]) as reader:
        goals = [jpeg for e in reader.episodes() for jpeg in e.goal_images_jpeg.values()]
    assert sorted(shown) == sorted(goals)
    cleared = [row for row in rows if row.get("Clear:is_recursive") is not None]
    assert len(shown) == 4 and len(cleared) == 2


@pytest.mark.parametrize("tasks", [TASKS, TASKS[:1]])
def test_its_own_task_is_none_of_the_tasks(goal_bags, tmp_path, tasks):
    build_dataset(goal_bags, tmp_path / "data", tasks)
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.episode_task.tolist() == [0, -1, -1]
    assert dataset.episode_success.tolist() == [1, 1, 0]
    assert dataset.labels("best")[:, 0].tolist() == [1, 1, 0], "the other tasks' labels stay"
    np.testing.assert_array_equal(dataset.own_labels(), [1, np.nan, np.nan])

    known = TaskList([Task(n, "lift", "empty_gripper", {}, "p", 1) for n in tasks])
    counted = {"f_orig": [True, False, False], "f_skill": [True, False, False], "f_all": [True] * 3}
    for sharing, expected in counted.items():
        index = sharing_index(dataset, known, dataset.labels("best"), sharing)
        assert np.isfinite(index[:, 0]).tolist() == expected
        StepSampler(
            index, dataset.episode_steps, SamplerConfig(), episode_task=dataset.episode_task
        ).draw(64, np.random.default_rng(0))
    by_rate = share_by_success_rate(dataset, known, dataset.labels("best"))
    assert by_rate[:, 0].tolist() == [True, False, False]


def test_the_commands_and_the_report_take_it(goal_bags, tmp_path, capsys):
    from mtopt_bringup.main import main

    bags, out = str(tmp_path / "goals"), str(tmp_path / "data")
    assert main(["bags", "check", bags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["episodes"] == 3
    assert main(["dataset", "build", bags, "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["episodes"] == 3
    page = tmp_path / "report.html"
    assert main(["report", "--dataset", out, "--out", str(page)]) == 0
    assert "lift-any" in page.read_text()


def test_bad_input_is_told_clearly(tmp_path, bags, dataset, make_episode, write_bag):
    unknown = write_bag(tmp_path / "unknown", [make_episode(0, task="juggle")])
    with pytest.raises(InputError, match="'juggle'.*tasks.yaml"):
        build_dataset(unknown, tmp_path / "d1", TASKS)
    with pytest.raises(InputError, match="tasks in .*new folder"):
        build_dataset(bags, dataset.folder, TASKS[::-1])
    void = write_bag(
        tmp_path / "void", [make_episode(0, reason=EndReason.FAULT, fault=Fault.POLICY)]
    )
    with pytest.raises(InputError, match="no complete episode"):
        build_dataset(void, tmp_path / "d2", TASKS)
    with pytest.raises(InputError, match="got none"):
        find_bags([tmp_path / "d2"])
    with pytest.raises(InputError, match="no dataset.json"):
        Dataset.open(tmp_path)
    os.truncate(dataset.folder / "images_wrist.u8", 1000)
    with pytest.raises(InputError, match="1000 bytes.*build it anew"):
        Dataset.open(dataset.folder)


def test_the_commands_say_what_they_did(bags, tmp_path, capsys):
    from mtopt_bringup.main import main

    assert main(["bags", "check", str(tmp_path / "bags"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {k: result[k] for k in ("bags", "episodes", "recovered", "set_aside", "errors")} == {
        "bags": 4, "episodes": 11, "recovered": 0, "set_aside": 0, "errors": [],
    }  # fmt: skip
    assert result["void_episodes"] == 1
    out = str(tmp_path / "data")
    assert main(["dataset", "build", str(tmp_path / "bags"), "--out", out, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["episodes"], result["bags_added"]) == (11, 4)
    assert main(["dataset", "build", str(tmp_path / "nowhere"), "--out", out]) == 2
    assert "no such folder" in capsys.readouterr().err
    (bags[1] / "metadata.yaml").write_text("{")
    assert main(["bags", "check", str(tmp_path / "bags"), "--json"]) == 1
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(result["errors"]) == 1 and "bag_0001" in result["errors"][0]
    assert main(["bags", "check", str(tmp_path / "bags")]) == 1
    told = yaml.safe_load(capsys.readouterr().out)
    assert told == result, "a person is told as much as a program"


def test_a_folder_of_something_else_is_left_alone(bags, tmp_path):
    own = {"mine.arrow": b"1", "images_holiday.u8": b"2"}
    (tmp_path / "mine").mkdir()
    for name, data in own.items():
        (tmp_path / "mine" / name).write_bytes(data)
    with pytest.raises(InputError, match="mine: got mine.arrow, expected none"):
        build_dataset(bags, tmp_path / "mine", TASKS)
    assert {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()} == own


def test_files_of_ones_own_beside_a_cache_stay(bags, tmp_path, dataset):
    (dataset.folder / "mine.arrow").write_bytes(b"1")
    (dataset.folder / "steps_000099.arrow").write_bytes(b"left over")
    build_dataset(bags, dataset.folder, TASKS)
    assert (dataset.folder / "mine.arrow").read_bytes() == b"1"
    assert not (dataset.folder / "steps_000099.arrow").exists()


def labelled(episode, **values):
    """The same episode with one label of `lift-any`."""
    label = {"task": "lift-any", "success": True, "probability": 1.0, "source": "person"}
    return replace(episode, end=replace(episode.end, labels=(TaskLabel(**(label | values)),)))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"probability": 9.0}, "got probability 9.0, expected 0 to 1"),
        ({"probability": float("nan")}, "got probability nan, expected 0 to 1"),
        ({"probability": 0.0}, "got success True, probability of success 0.0"),
        ({"success": False, "probability": 0.9}, "got success False"),
        ({"source": "human"}, "got source 'human', expected one of .*person"),
    ],
)
def test_a_label_that_would_teach_something_else_is_refused(
    tmp_path, make_episode, write_bag, values, told
):
    bags = write_bag(tmp_path / "bags", [labelled(make_episode(0), **values)])
    with pytest.raises(InputError, match=f"lift-any in .*test-robot_1-0: {told}"):
        build_dataset(bags, tmp_path / "data", TASKS)


def test_labels_of_tasks_that_are_not_known_are_counted(tmp_path, make_episode, write_bag):
    episodes = [
        labelled(make_episode(0), task="lift_any"),
        labelled(make_episode(1), task=REACH_GOAL),
        labelled(make_episode(2), source="detector:abc", probability=0.5),
    ]
    done = build_dataset(write_bag(tmp_path / "bags", episodes), tmp_path / "data", TASKS)
    assert done["labels_of_other_tasks"] == 1
    assert done["picture_age_s"]["wrist"] == {"mean": 0.0, "max": 0.0}
    assert Dataset.open(tmp_path / "data").labels("detector")[2, 0] == 0.5


def test_two_episodes_of_one_id_in_a_bag_are_refused(tmp_path, make_episode, write_bag):
    bags = write_bag(tmp_path / "bags", [make_episode(0), make_episode(0, start_s=30.0)])
    with pytest.raises(InputError, match="1 ids of several episodes .test-robot_1-0"):
        build_dataset(bags, tmp_path / "data", TASKS)
