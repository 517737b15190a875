"""Writes whole episodes of one robot into rosbag2 directories (MCAP)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from mtopt_control.recorder.mcap_file import BagMessage, Contents, McapFile
from mtopt_spec.episode import SCHEMA_VERSION
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import PARTIAL, partial_path, write_aside

_RESERVE = "reserve"
_RESERVE_BYTES = 400_000
"""Held from a bag's beginning, so that it can be closed on a disk that is full by then."""


class BagWriter:
    """Appends episodes to `<folder>/<robot>/bag_NNNN`, called `.partial` until it is closed.

    A new bag is begun when one is full, and when time has gone back (another simulator run):
    within a bag the episodes are in the order of time.

    Args:
        folder: Folder of all robots' bags.
        robot: Namespace of the robot.
        max_episodes: Episodes of a bag before the next one is begun.
        max_bytes: Size of a bag from which on the next one is begun.
        sync: Wait for the disk after each episode, so that it survives a power cut too. Without
            it an episode survives the end of this process, however it comes.
    """

    def __init__(
        self,
        folder: Path,
        robot: str,
        *,
        max_episodes: int = 1000,
        max_bytes: int = 256_000_000,
        sync: bool = True,
    ):
        if not re.fullmatch(r"[A-Za-z]\w*", robot):
            raise InputError("robot", where="BagWriter", got=repr(robot), expected="a namespace")
        if max_episodes < 1 or max_bytes < 1:
            raise InputError(
                "bag size",
                where="BagWriter",
                got=f"max_episodes {max_episodes}, max_bytes {max_bytes}",
                expected="at least 1 each",
            )
        self._folder = Path(folder) / robot
        self._robot = robot
        self._max_episodes = max_episodes
        self._max_bytes = max_bytes
        self._sync = sync
        self._file: McapFile | None = None
        self._bag = Path()

    def write_episode(self, messages: Sequence[BagMessage]) -> Path:
        """Appends one whole episode, `EpisodeBegin` first and `EpisodeEnd` last.

        Returns:
            Folder of the bag that holds it, as it will be called once closed.

        Raises:
            OSError: The disk did not take it (it is full). The bag is as it was before; later
                episodes may be tried.
        """
        first, last = messages[0], messages[-1]
        if not first.topic.endswith("/episode/begin") or not last.topic.endswith("/episode/end"):
            raise InputError(
                "episode",
                where=f"recorder of {self._robot}",
                got=f"{first.topic} .. {last.topic}",
                expected="episode/begin first, episode/end last",
            )
        if self._file is not None and self._must_roll(min(m.log_time_ns for m in messages)):
            self.close()
        if self._file is None:
            self._open()
        self._file.append(messages, sync=self._sync)
        return self._bag

    def close(self) -> None:
        """Closes the bag and gives it its name; one without an episode is removed."""
        if self._file is None:
            return
        file, self._file = self._file, None
        if file.contents.chunks:
            finish_bag(file, self._bag)
        else:
            file.abandon()
            shutil.rmtree(partial_path(self._bag))

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _must_roll(self, begin_ns: int) -> bool:
        contents = self._file.contents
        return bool(contents.chunks) and (
            len(contents.chunks) >= self._max_episodes
            or contents.end >= self._max_bytes
            or begin_ns < contents.end_time_ns
        )

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        taken = [int(m[1]) for p in self._folder.iterdir() if (m := re.match(r"bag_(\d+)", p.name))]
        self._bag = self._folder / f"bag_{max(taken, default=-1) + 1:04d}"
        partial = partial_path(self._bag)
        partial.mkdir()
        try:
            (partial / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))
            self._file = McapFile(partial / mcap_name(self._bag))
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def mcap_name(bag: Path) -> str:
    """Name of the one MCAP file in a bag."""
    return f"{bag.name.removesuffix(PARTIAL)}_0.mcap"


def finish_bag(file: McapFile, bag: Path) -> None:
    """Closes the file of a partial bag, writes the bag's metadata and gives the bag its name.

    Raises:
        OSError: No room on the disk: the bag stays partial, and can be recovered.
    """
    contents = file.contents
    partial = partial_path(bag)
    free_reserve(partial)
    file.close()
    write_metadata(partial, mcap_name(bag), contents)
    os.rename(partial, bag)
    _sync_folder(bag.parent)


def free_reserve(bag: Path) -> None:
    """Gives back the room that was held for the bag's end."""
    (bag / _RESERVE).unlink(missing_ok=True)


def write_metadata(
    folder: Path, file_name: str, contents: Contents, *, recovered: bool = False
) -> None:
    """Writes a rosbag2 `metadata.yaml` (version 9, ROS 2 Jazzy).

    Args:
        folder: Of the bag.
        file_name: Of its MCAP file.
        contents: What that file holds.
        recovered: The bag was closed after its writer had died.
    """
    start = {"nanoseconds_since_epoch": contents.start_time_ns}
    duration = {"nanoseconds": contents.end_time_ns - contents.start_time_ns}
    types = {schema.id: name for name, schema in contents.schemas.items()}
    topics = [
        {
            "topic_metadata": {
                "name": channel.topic,
                "type": types[channel.schema_id],
                "serialization_format": "cdr",
                "offered_qos_profiles": [],
                "type_description_hash": channel.metadata.get("topic_type_hash", ""),
            },
            "message_count": contents.counts.get(channel.id, 0),
        }
        for channel in contents.channels.values()
    ]
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        "duration": duration,
        "starting_time": start,
        "message_count": contents.message_count,
        "topics_with_message_count": topics,
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file_name],
        "files": [
            {
                "path": file_name,
                "starting_time": start,
                "duration": duration,
                "message_count": contents.message_count,
            }
        ],
        "custom_data": {
            "mtopt_schema_version": str(SCHEMA_VERSION),
            "mtopt_episodes": str(len(contents.chunks)),
            "mtopt_recovered": "yes" if recovered else "no",
        },
        "ros_distro": "jazzy",
    }
    text = yaml.dump({"rosbag2_bagfile_information": information}, Dumper=_Plain)
    write_aside(folder / "metadata.yaml", text.encode())


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """YAML without references: readers of other languages need not know them.

    By libyaml where PyYAML has it: five times as fast, and the same bytes.
    """

    def ignore_aliases(self, data) -> bool:
        return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
