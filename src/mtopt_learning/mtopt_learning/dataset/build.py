"""Bags into the packed training cache: only new bags, bag by bag, safe against interruption.

The manifest is the point of commitment. Pictures are appended to one file a camera, tables to a
new file a commit; the manifest then names the new tables and the new count of rows. Whatever an
interrupted build wrote beyond that is cut off by the next one.
"""

from __future__ import annotations

import functools
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mtopt_learning.bag.find import bag_fingerprint
from mtopt_learning.bag.picture_ages import PictureAges
from mtopt_learning.bag.reader import BagReader
from mtopt_learning.dataset.decoding import decoded_episodes, picture_decoder
from mtopt_learning.dataset.files import (
    MANIFEST,
    OWN_IMAGES,
    OWN_TABLE,
    check_folder,
    image_file,
    read_manifest,
    safe_name,
    write_manifest,
)
from mtopt_learning.dataset.rows import Rows
from mtopt_learning.dataset.tables import arrow_bytes, read_tables
from mtopt_spec.errors import InputError
from mtopt_spec.folder_lock import alone_in
from mtopt_spec.whole_file import write_aside

_LOG = logging.getLogger("dataset")
_MAX_SEGMENTS = 16
"""Table files beyond which they are merged into one."""


def build_dataset(
    bags: Sequence[Path],
    folder: Path,
    tasks: Sequence[str],
    *,
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
    threads: int | None = None,
    any_task: bool = False,
    progress: Callable[[Path, int], None] | None = None,
) -> dict:
    """Brings a cache up to date with bags; those that it holds already are skipped.

    Args:
        bags: Folders of closed bags.
        folder: Of the cache; made if it is missing.
        tasks: Names of the tasks, in the order of the labels' columns. Tasks may be added at the
            end to a cache that exists.
        image_sizes: Camera name to (height_px, width_px) that pictures are resized to. Without
            it the first picture of each camera sets the size, and another size is an error.
        threads: That decode pictures; default: one a core.
        any_task: Episodes may be of tasks that are not among these, which count as none: learning
            to reach goals needs no tasks.
        progress: Called after each bag with it and its count of episodes.

    Returns:
        Counts of this call: `bags_added`, `bags_skipped`, `episodes_added`, `void_episodes`,
        `incomplete_episodes`, `dropped_frames`, `labels_of_other_tasks` (of tasks that are not
        among these, left out), `picture_age_s` (camera to `mean` and `max`, at an observation); and
        of the cache: `episodes`, `observations`, `fingerprint`.

    Raises:
        InputError: The folder holds something else, a bag cannot be read, names an unknown task,
            its labels contradict themselves, its pictures do not fit, or two episodes have one id.
            Bags before it are in the cache.
    """
    folder = Path(folder)
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder, "build"):
        cache = _Cache(folder, tuple(tasks), image_sizes)
        cache.cut_off_uncommitted()
        known = {bag["fingerprint"] for bag in cache.manifest["bags"]}
        counts: Counter = Counter()
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            for bag in bags:
                fingerprint = bag_fingerprint(Path(bag))
                if fingerprint in known:
                    counts["bags_skipped"] += 1
                    continue
                known.add(fingerprint)
                found = cache.add(Path(bag), fingerprint, pool, any_task)
                counts["bags_added"] += 1
                counts["episodes_added"] += found["episodes"]
                counts["void_episodes"] += found["void"]
                counts["incomplete_episodes"] += found["incomplete"]
                counts["dropped_frames"] += found["dropped_frames"]
                counts["labels_of_other_tasks"] += found["labels_of_other_tasks"]
                if progress is not None:
                    progress(Path(bag), found["episodes"])
        if not cache.manifest["episodes"]:
            raise InputError(
                "dataset",
                where=folder,
                got=f"no complete episode in {len(bags)} bags",
                expected="at least one",
            )
        for warning in cache.picture_ages.warnings():
            _LOG.warning(warning)
        keys = (
            "bags_added",
            "bags_skipped",
            "episodes_added",
            "void_episodes",
            "incomplete_episodes",
            "dropped_frames",
            "labels_of_other_tasks",
        )
        totals = {k: cache.manifest[k] for k in ("episodes", "observations", "fingerprint")}
        ages = {"picture_age_s": cache.picture_ages.summary()}
        return {**{key: counts[key] for key in keys}, **ages, **totals}


class _Cache:
    """A cache that is being written; `picture_ages`: of the bags that were added."""

    def __init__(self, folder: Path, tasks: tuple[str, ...], image_sizes):
        self.folder = folder
        self.picture_ages = PictureAges()
        if (folder / MANIFEST).exists():
            self.manifest = read_manifest(folder)
            before = tuple(self.manifest["tasks"])
            if before != tasks[: len(before)]:
                raise InputError(
                    "tasks",
                    where=folder,
                    got=tasks,
                    expected=f"{before}, and new ones behind them",
                    todo="build into a new folder",
                )
            sizes = {name: tuple(size) for name, size in self.manifest["cameras"].items()}
            if image_sizes is not None and dict(image_sizes) != sizes:
                raise InputError(
                    "picture sizes",
                    where=folder,
                    got=dict(image_sizes),
                    expected=sizes,
                    todo="build into a new folder",
                )
            self.manifest["tasks"] = list(tasks)
            if before != tasks:
                write_manifest(self.folder, self.manifest)
        else:
            self.manifest = {
                "tasks": list(tasks),
                "cameras": {name: list(size) for name, size in (image_sizes or {}).items()},
                "resized": image_sizes is not None,
                "observations": 0,
                "episodes": 0,
                "next_segment": 0,
                "segments": [],
                "bags": [],
            }

    @functools.cached_property
    def bag_of(self) -> dict[str, str]:
        """Id of each episode that the cache holds to its bag."""
        found: dict[str, str] = {}
        for segment in self.manifest["segments"]:
            table = read_tables([self.folder / segment["episodes"]])
            found.update(zip(table["episode_id"].to_pylist(), table["bag"].to_pylist()))
        return found

    def cut_off_uncommitted(self) -> None:
        """Removes what an interrupted build left beyond the manifest."""
        sizes = {
            image_file(safe_name(camera)): self.manifest["observations"] * height * width * 3
            for camera, (height, width) in self.manifest["cameras"].items()
        }
        named = {name for segment in self.manifest["segments"] for name in segment.values()}
        for path in self.folder.iterdir():
            size = sizes.get(path.name, 0)
            if OWN_IMAGES.fullmatch(path.name) and path.stat().st_size > size:
                os.truncate(path, size)
            elif OWN_TABLE.fullmatch(path.name) and path.name not in named:
                path.unlink()

    def add(
        self, bag: Path, fingerprint: str, pool: ThreadPoolExecutor, any_task: bool = False
    ) -> Counter:
        """Appends the complete episodes of a bag and commits."""
        rows = Rows(
            tuple(self.manifest["tasks"]),
            first_observation=self.manifest["observations"],
            first_episode=self.manifest["episodes"],
            bag=f"{bag.parent.name}/{bag.name}",
            any_task=any_task,
        )
        decode = picture_decoder(bag, self.manifest)
        streams: dict[str, object] = {}
        ages = PictureAges()
        try:
            with BagReader(bag) as reader:
                for episode, decoded in decoded_episodes(reader.episodes(), decode, pool):
                    rows.add(episode, where=bag)
                    ages.add(episode)
                    for camera, pictures in decoded.items():
                        if camera not in streams:
                            path = self.folder / image_file(safe_name(camera))
                            streams[camera] = path.open("ab")
                        streams[camera].write(pictures.data)
                counts = Counter(reader.counts, labels_of_other_tasks=rows.labels_of_other_tasks)
                for problem in reader.problems[:5]:
                    _LOG.warning("%s: left out %s", bag, problem)
            self._refuse_known(bag, rows.ids)
            for stream in streams.values():
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            for stream in streams.values():
                stream.close()
        self._commit(bag, fingerprint, rows, counts)
        self.bag_of.update(dict.fromkeys(rows.ids, str(bag)))
        self.picture_ages.merge(ages)
        return counts

    def _refuse_known(self, bag: Path, ids: Sequence[str]) -> None:
        """An id is one episode's: whoever labels it must know which."""
        twice = [name for name, count in Counter(ids).items() if count > 1]
        if twice:
            raise InputError(
                "bag", where=bag, got=f"{len(twice)} ids of several episodes ({twice[0]}, ...)",
                expected="an id of its own for each episode",
            )  # fmt: skip
        known = [name for name in ids if name in self.bag_of]
        if known:
            raise InputError(
                "bag", where=bag,
                got=f"{len(known)} episodes whose ids {self.bag_of[known[0]]} brought already "
                f"({', '.join(known[:3])}{', ...' if len(known) > 3 else ''})",
                expected="episodes that the data set does not hold",
                todo="of a bag that was repaired or copied, build into a new folder, from one of "
                "the two; runs that an older version named alike belong into two data sets",
            )  # fmt: skip

    def _commit(self, bag: Path, fingerprint: str, rows: Rows, counts: Counter) -> None:
        manifest = self.manifest
        obsolete: list[str] = []
        if rows.episodes:
            manifest["segments"].append(
                self._write_segment(rows.step_table(), rows.episode_table())
            )
            manifest["observations"] += rows.observations
            manifest["episodes"] += rows.episodes
        if len(manifest["segments"]) > _MAX_SEGMENTS:
            obsolete = [name for segment in manifest["segments"] for name in segment.values()]
            merged = [
                read_tables([self.folder / segment[kind] for segment in manifest["segments"]])
                for kind in ("steps", "episodes")
            ]
            manifest["segments"] = [self._write_segment(*merged)]
        entry = {
            "name": f"{bag.parent.name}/{bag.name}",
            "episodes": rows.episodes,
            "void_episodes": counts["void"],
            "incomplete_episodes": counts["incomplete"],
        }
        manifest["bags"].append({**entry, "fingerprint": fingerprint})
        write_manifest(self.folder, self.manifest)
        for name in obsolete:
            (self.folder / name).unlink()

    def _write_segment(self, steps, episodes) -> dict[str, str]:
        number = self.manifest["next_segment"]
        self.manifest["next_segment"] += 1
        names = {kind: f"{kind}_{number:06d}.arrow" for kind in ("steps", "episodes")}
        write_aside(self.folder / names["steps"], arrow_bytes(steps))
        write_aside(self.folder / names["episodes"], arrow_bytes(episodes))
        return names
