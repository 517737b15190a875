"""Pictures of a bag's episodes, decoded as a cache stores them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from mtopt_learning.bag.reader import BagEpisode
from mtopt_learning.dataset.files import safe_name
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg


def picture_decoder(bag: Path, manifest: dict) -> Callable[[BagEpisode], dict[str, np.ndarray]]:
    """Gives an episode's pictures as a cache stores them: camera to (n, h, w, 3) uint8 RGB.

    Args:
        bag: That the episodes are from, for errors (`InputError`: other cameras or sizes).
        manifest: Of the cache: its `cameras` and `resized`. Without cameras the first episode
            names them and sets their sizes.
    """

    def decode(episode: BagEpisode) -> dict[str, np.ndarray]:
        resized = manifest["resized"]
        pictures = {}
        for camera, size in sizes(episode).items():
            stack = np.empty((len(episode.stamp_ns), *size, 3), np.uint8)
            for row, jpeg in enumerate(episode.images_jpeg[camera]):
                picture = decode_jpeg(jpeg)
                if picture.shape[:2] == size:
                    stack[row] = picture
                elif resized:
                    cv2.resize(picture, size[::-1], dst=stack[row], interpolation=cv2.INTER_AREA)
                else:
                    raise InputError(
                        f"picture of camera {camera}",
                        where=f"{bag}, episode {episode.begin.episode_id}",
                        got=f"{picture.shape[:2]} px (height, width)",
                        expected=f"{size}",
                        todo="give the sizes to resize to",
                    )
            pictures[camera] = stack
        return pictures

    def sizes(episode: BagEpisode) -> dict[str, tuple[int, int]]:
        known = manifest["cameras"]
        if not known:
            known.update(
                {
                    safe_name(camera): list(decode_jpeg(jpegs[0]).shape[:2])
                    for camera, jpegs in episode.images_jpeg.items()
                }
            )
        if set(known) != set(episode.images_jpeg):
            raise InputError(
                "cameras",
                where=f"{bag}, episode {episode.begin.episode_id}",
                got=sorted(episode.images_jpeg),
                expected=sorted(known),
            )
        return {camera: tuple(size) for camera, size in known.items()}

    return decode


def decoded_episodes(
    episodes: Iterable[BagEpisode], decode: Callable, pool: ThreadPoolExecutor
) -> Iterator[tuple[BagEpisode, dict[str, np.ndarray]]]:
    """Episodes with their pictures, in order; a few are decoded ahead."""
    waiting: deque[tuple[BagEpisode, Future]] = deque()
    first = True
    try:
        for episode in episodes:
            waiting.append((episode, pool.submit(decode, episode)))
            if first:  # sets the picture sizes for all others
                waiting[0][1].result()
                first = False
            if len(waiting) > 8:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
