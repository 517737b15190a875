"""`mtopt goals from-camera`: the newest picture of a robot's topic becomes a goal."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from mtopt_bringup.goalset.from_camera import add_goal
from mtopt_bringup.goalset.goal_set import RECORDED, ShownGoal, read_goal_set
from mtopt_bringup.main import main
from mtopt_spec import bag_topics, ros_messages
from mtopt_spec.image_codec import encode_jpeg


def picture(value: int, size=(64, 64)) -> bytes:
    return encode_jpeg(np.full((*size, 3), value, np.uint8))


class Camera:
    """Publishes robot_2's pictures, again and again: `jpeg` of the shoulder camera, a wrist's."""

    wrist = picture(70, (32, 32))

    def __init__(self, context: Context):
        self.jpeg = picture(0)
        self._node = Node("camera_node", namespace="/robot_2", context=context)
        self._images = {
            camera: self._node.create_publisher(
                CompressedImage, bag_topics.camera_image(camera).name, 1
            )
            for camera in ("shoulder", "wrist")
        }
        self._node.create_timer(0.05, self._publish)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def _publish(self) -> None:
        for camera, jpeg in (("shoulder", self.jpeg), ("wrist", self.wrist)):
            frame_id = f"robot_2/{camera}"
            message = ros_messages.to_compressed_image(jpeg, stamp_s=12.5, frame_id=frame_id)
            self._images[camera].publish(message)

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()


@pytest.fixture
def camera(domain_id):
    context = Context()
    context.init(domain_id=domain_id)
    camera = Camera(context)
    yield camera
    camera.close()
    context.try_shutdown()


def take(out, *more, robot="robot_2") -> int:
    arguments = ["goals", "from-camera", "--robot", robot, "--out", str(out), "--json", *more]
    return main(arguments)


def test_what_the_camera_sees_is_added_to_the_goals_of_a_folder(camera, tmp_path, capsys):
    out = tmp_path / "goals"
    for value in (30, 200):
        camera.jpeg = picture(value)
        assert take(out, *(["--holding"] if value == 200 else [])) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["goals"] == 2 and told["number"] == 1 and told["counts"] == {RECORDED: 2}
    assert told["source"] == "/robot_2/camera/image/compressed 12.500"
    goals = read_goal_set(out).goals
    wanted = [{"shoulder": picture(value), "wrist": Camera.wrist} for value in (30, 200)]
    assert [shown.goal.images_jpeg for shown in goals] == wanted
    assert [shown.goal.holding for shown in goals] == [False, True]
    assert all(shown.goal.truth is None and shown.scene_seed is None for shown in goals)


def test_another_size_is_refused_and_the_goals_stay(camera, tmp_path, capsys):
    assert take(tmp_path / "goals") == 0
    camera.jpeg = picture(9, (48, 64))
    assert take(tmp_path / "goals") == 2
    assert "got 64x48 px, expected 64x64 px" in capsys.readouterr().err
    assert len(read_goal_set(tmp_path / "goals").goals) == 1


def test_one_camera_alone_can_be_asked_for_and_is_not_mixed_with_both(camera, tmp_path, capsys):
    assert take(tmp_path / "goals", "--cameras", "wrist") == 0
    (only,) = read_goal_set(tmp_path / "goals").goals
    assert only.goal.images_jpeg == {"wrist": Camera.wrist} and only.start_jpeg == Camera.wrist
    assert take(tmp_path / "goals") == 2
    assert "goals of the cameras ['wrist']" in capsys.readouterr().err


def test_goals_with_scenes_are_not_mixed_with_pictures_of_a_camera(camera, folder, capsys):
    assert take(folder) == 2
    assert "name another folder" in capsys.readouterr().err
    assert len(read_goal_set(folder).goals) == 9


def test_where_no_picture_comes_it_says_where_it_waited(camera, tmp_path, capsys):
    assert take(tmp_path / "goals", "--timeout", "0.5", robot="robot_5") == 2
    told = capsys.readouterr().err
    assert "/robot_5/camera/image/compressed" in told and "ROS_DOMAIN_ID" in told
    assert not (tmp_path / "goals").exists()
    assert take(tmp_path / "goals", "--cameras", "elbow") == 2
    assert "elbow" in capsys.readouterr().err


def test_goals_are_added_to_those_that_a_killed_call_left_between_its_renames(
    shown, tmp_path, monkeypatch
):
    folder, seen = tmp_path / "goals", replace(shown.goals[0].goal, truth=None)
    goals = [ShownGoal(seen, picture(value), source=str(value)) for value in (1, 2, 3)]
    add_goal(folder, goals[0])

    def killed(path, target, rename=Path.rename):
        rename(path, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        add_goal(folder, goals[1])
    assert not folder.exists()
    assert [goal.source for goal in add_goal(folder, goals[2]).goals] == ["1", "2", "3"]
