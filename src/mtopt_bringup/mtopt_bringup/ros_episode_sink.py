"""Writes in-process episodes into the same bags that the recorder node writes."""

from __future__ import annotations

from pathlib import Path

from rclpy.serialization import serialize_message

from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_sim.ros_camera_info import to_camera_info
from mtopt_sim.station import Station
from mtopt_spec.episode import Episode


class BagSink:
    """One robot's bags.

    Args:
        folder: Of all robots' bags.
        robot: Name of the robot.
        station: Whose cameras' calibrations are recorded.
    """

    def __init__(self, folder: Path, robot: str, station: Station):
        self._writer = BagWriter(folder, robot, sync=False)
        self._camera_infos = {
            camera: serialize_message(
                to_camera_info(
                    station.camera_info(camera), stamp_s=0.0, frame_id=f"{robot}/{camera}"
                )
            )
            for camera in station.cameras
        }

    def write(self, episode: Episode) -> None:
        """Appends an episode; OSError where the disk does not take it."""
        infos = {camera: self._camera_infos[camera] for camera in episode.begin.camera_names}
        self._writer.write_episode(episode_messages(episode, infos))

    def close(self) -> None:
        """Closes the bag."""
        self._writer.close()
