"""The picture and the video of the whole cell."""

import av
import numpy as np

from mtopt_sim.cell_view import CellVideo, CellView


def test_the_video_shows_the_arm_move_and_appears_only_whole(station, worlds, tmp_path):
    view = CellView(worlds / "one_station.sdf", size_px=(180, 320), smooth=False)
    station.reset(0)
    video = CellVideo(tmp_path / "cell.mp4", view=view)
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


def test_objects_are_drawn_where_they_are_at_every_station(worlds, root, station):
    # A turned station must show its objects in its own bin: robot_6 faces the other way.
    from mtopt_sim.station import Station

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
