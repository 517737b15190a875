"""The picture and the video of the whole cell."""

import av
import numpy as np
import pytest

from mtopt_sim.cell_view import CellVideo, CellView
from mtopt_sim.station import Station


def test_the_video_shows_the_arm_move_and_appears_only_whole(station, worlds, tmp_path):
    view = CellView(worlds / "one_station.sdf", size_px=(180, 320), smooth=False)
    station.reset(0)
    video = CellVideo(tmp_path / "cell.mp4", view)
    first = view.picture([station])
    video.add([station])
    goal = station.joint_state().position[:8] + [0.8, 0, 0, 0, 0, 0, 0, 0]
    station.command_trajectory(goal[None], np.zeros((1, 8)), np.array([0.8]))
    for _ in range(4):
        station.advance(0.2)
        video.add([station])
    assert not (tmp_path / "cell.mp4").exists()
    video.close()
    assert [file.name for file in tmp_path.iterdir()] == ["cell.mp4"]
    assert (np.abs(view.picture([station]).astype(int) - first).max(axis=-1) > 40).mean() > 0.01
    with av.open(str(tmp_path / "cell.mp4")) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == 5 and frames[0].shape == (180, 320, 3)
    assert np.abs(frames[0].astype(int) - first).mean() < 6


@pytest.mark.parametrize("world", ["unseen_cell.sdf", "cloth_cell.sdf"])
def test_any_world_can_be_filmed(worlds, root, tmp_path, world):
    station = Station(
        worlds / world, "robot_1", params=root / "params/sim.yaml",
        robot_file=root / "params/robots/iiwa14/robot.yaml",
    )  # fmt: skip
    station.reset(0)
    view = CellView.for_video(worlds / world)
    view.picture([station])
    base = view._base["robot_1"]
    there = np.abs(station.data.xpos).max(axis=1) < 10  # others fall, far from here
    for body in np.flatnonzero(there)[1:]:
        name = station.model.body(body).name
        shown = base[:3, :3] @ station.data.xpos[body] + base[:3, 3]
        np.testing.assert_allclose(view._data.body(name).xpos, shown, atol=2e-3)
    sheets = station.model.nflex
    np.testing.assert_allclose(view._model.flex_rgba[:sheets], station.model.flex_rgba)
    video = CellVideo(tmp_path / "cell.mp4", view)
    video.add([station])
    video.close()
    assert (tmp_path / "cell.mp4").stat().st_size


def test_a_video_without_a_picture_is_none(worlds, tmp_path):
    CellVideo(tmp_path / "cell.mp4", CellView.for_video(worlds / "one_station.sdf")).close()
    assert not list(tmp_path.iterdir())


def test_objects_are_drawn_where_they_are_at_every_station(worlds, root, station):
    # A turned station must show its objects in its own bin: robot_6 faces the other way.
    own = Station(
        worlds / "bin_cell.sdf",
        "robot_6",
        params=root / "params/sim.yaml",
        robot_file=root / "params/robots/iiwa14/robot.yaml",
    )
    own.reset(0, objects=["apple"])
    view = CellView(worlds / "bin_cell.sdf", size_px=(90, 160), smooth=False)
    view.picture([own])
    apple = view._data.body("robot_6_apple/apple").xpos
    tray = view._data.body("robot_6_bin/tray")
    local = tray.xmat.reshape(3, 3).T @ (apple - tray.xpos)
    np.testing.assert_allclose(local, own.truth().position_bin_m[0], atol=2e-3)
