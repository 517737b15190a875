"""Where pictures come from: a driver's topic, a device, a video file."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import cv2

from mtopt_control.camera.frame import Frame
from mtopt_spec.errors import InputError


class Source(Protocol):
    """Gives each picture once, oldest first, and never waits for one."""

    def grab(self) -> Frame | None:
        """The next picture; None where there is none now."""

    def close(self) -> None:
        """Gives up the device; `grab` gives None from then on."""


class PushedSource:
    """Pictures that somebody else brings: the subscription to a driver's topic.

    Args:
        depth: Pictures that may wait; older ones are dropped.
    """

    def __init__(self, depth: int = 20):
        self._frames: deque[Frame] = deque(maxlen=depth)
        self._closed = False

    def push(self, frame: Frame) -> None:
        """Brings a picture."""
        if not self._closed:
            self._frames.append(frame)

    def grab(self) -> Frame | None:
        """The oldest picture that waits."""
        return self._frames.popleft() if self._frames else None

    def close(self) -> None:
        """Forgets all."""
        self._closed = True
        self._frames.clear()


class VideoSource:
    """A video file through OpenCV: one picture a `grab`.

    Args:
        path: Of the file.
        loop: Starts again at its end.

    Raises:
        InputError: OpenCV cannot read it.
    """

    def __init__(self, path: str, *, loop: bool = True):
        self._capture = cv2.VideoCapture(path)
        self._loop = loop
        if not self._capture.isOpened():
            raise InputError(
                "video", where=path, got="nothing that OpenCV can open", expected="a video file"
            )

    def grab(self) -> Frame | None:
        """The file's next picture."""
        good, image_bgr = self._capture.read()
        if not good and self._loop and self._capture.isOpened():
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, image_bgr = self._capture.read()
        return Frame(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)) if good else None

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()


class DeviceSource:
    """A V4L2 device through OpenCV; a thread waits for its pictures, and only the newest is kept.

    Args:
        device: `/dev/video0` or a number.
        now_s: The time, s, that a picture is stamped with as soon as the device has given it.

    Raises:
        InputError: There is no such device.
    """

    def __init__(self, device: str, now_s: Callable[[], float]):
        self._capture = cv2.VideoCapture(int(device) if device.isdigit() else device)
        if not self._capture.isOpened():
            raise InputError(
                "camera device",
                where=device,
                got="nothing that OpenCV can open",
                expected="a V4L2 device such as /dev/video0",
                todo="look with `v4l2-ctl --list-devices`, and at the device's permissions",
            )
        self._now_s = now_s
        self._newest: Frame | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def grab(self) -> Frame | None:
        """The newest picture, if it was not given before. The first call starts the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
            self._thread.start()
        frame, self._newest = self._newest, None
        return frame

    def _read(self) -> None:
        while not self._closing.is_set():
            good, image_bgr = self._capture.read()
            if good:
                stamp_s = self._now_s()
                self._newest = Frame(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), stamp_s)
            else:
                self._closing.wait(0.1)

    def close(self) -> None:
        """Ends the thread and gives up the device."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        self._capture.release()
        self._newest = None
