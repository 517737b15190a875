"""Pictures of the wrong kind are refused; sources behave alike; an observation is put together."""

from __future__ import annotations

import queue
import time

import cv2
import numpy as np
import pytest
import yaml
from cell_robot import ROOT

from mtopt_control.camera.frame import Frame, from_raw, to_size
from mtopt_control.camera.source import DeviceSource, PushedSource, VideoSource
from mtopt_control.camera.stream_monitor import StreamMonitor
from mtopt_control.episode.assembling import FrameCounts, ObservationAssembler
from mtopt_control.ticks import tick_of
from mtopt_spec.errors import InputError
from mtopt_spec.observation import Observation


def picture(height=48, width=64):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 4, columns * 3, rows + columns], axis=-1).astype(np.uint8)


def test_both_colour_orders_give_the_same_picture_whatever_the_padding():
    image = picture()
    padded = np.zeros((48, 64 * 3 + 16), np.uint8)
    padded[:, : 64 * 3] = image[..., ::-1].reshape(48, -1)
    rgb = from_raw(image.tobytes(), height=48, width=64, step=192, encoding="rgb8", where="t")
    bgr = from_raw(padded.tobytes(), height=48, width=64, step=208, encoding="bgr8", where="t")
    np.testing.assert_array_equal(rgb, image)
    np.testing.assert_array_equal(bgr, image)


@pytest.mark.parametrize(
    "change",
    [{"encoding": "mono8"}, {"encoding": "yuv422"}, {"height": 47}, {"step": 60}, {"width": 0}],
)
def test_another_encoding_or_a_size_that_is_not_the_datas_is_refused(change):
    fields = {"height": 48, "width": 64, "step": 192, "encoding": "rgb8"} | change
    with pytest.raises(InputError, match="camera/image_raw"):
        from_raw(picture().tobytes(), where="camera/image_raw", **fields)


def test_pictures_shrink_by_areas_and_are_never_distorted():
    image = np.zeros((128, 128, 3), np.uint8)
    image[::2] = 200
    np.testing.assert_array_equal(to_size(image, 64, 64, where="t"), np.full((64, 64, 3), 100))
    with pytest.raises(InputError, match="ratio"):
        to_size(picture(48, 64), 64, 64, where="t")
    assert to_size(picture(48, 64), 24, 32, where="t").shape == (24, 32, 3)


def pushed(tmp_path):
    source = PushedSource()
    for _ in range(3):
        source.push(Frame(picture(), 1.0, "camera"))
    return source


def video(tmp_path):
    path = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (64, 48))
    for _ in range(3):
        writer.write(picture()[..., ::-1])
    writer.release()
    return VideoSource(path, loop=False)


@pytest.mark.parametrize("make", [pushed, video])
def test_every_source_gives_each_picture_once_and_then_none(make, tmp_path):
    source = make(tmp_path)
    frames = [source.grab() for _ in range(5)]
    assert [frame is not None for frame in frames] == [True] * 3 + [False] * 2
    for frame in frames[:3]:
        assert frame.image_hwc_u8.shape == (48, 64, 3) and frame.image_hwc_u8.dtype == np.uint8
        # lossy, but red is red
        assert np.abs(frame.image_hwc_u8.astype(int) - picture()).mean() < 6
    source.close()
    assert source.grab() is None


def test_a_source_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no\.avi"):
        VideoSource(str(tmp_path / "no.avi"))
    with pytest.raises(InputError, match="/dev/no_such_camera"):
        DeviceSource("/dev/no_such_camera", time.time)


class FakeDevice:
    """Gives a picture whenever the test brings one; between two of them it hangs."""

    def __init__(self, device):
        self.pictures = queue.Queue()

    def isOpened(self):
        return True

    def read(self):
        image = self.pictures.get()
        return image is not None, image

    def release(self):
        pass


def test_a_devices_picture_has_the_stamp_of_its_grab_however_late_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeDevice)
    now_s = iter([5.0, 6.0])
    source = DeviceSource("0", lambda: next(now_s))
    device = source._capture
    try:
        assert source.grab() is None, "it never waits"
        device.pictures.put(picture())
        end_s = time.monotonic() + 60.0
        while (frame := source.grab()) is None and time.monotonic() < end_s:
            pass
        assert frame.stamp_s == 5.0 and source.grab() is None, "one picture, while the device hangs"
    finally:
        device.pictures.put(None)
        source.close()


def test_on_hardware_a_device_of_15_hz_is_young_enough_for_the_arm():
    def real(name):
        text = (ROOT / "params" / "real" / f"{name}.yaml").read_text()
        return yaml.safe_load(text)[f"/**/{name}"]["ros__parameters"]

    oldest_s = 1 / 15 + 1 / real("camera_node").get("rate_hz", 5.0)
    assert oldest_s < 0.9 * real("arm_node")["max_camera_age_s"]


def test_a_looping_video_goes_on(tmp_path):
    video(tmp_path).close()
    source = VideoSource(str(tmp_path / "v.avi"), loop=True)
    assert all(source.grab() is not None for _ in range(10))


def test_rate_and_staleness():
    monitor = StreamMonitor(max_age_s=1.0)
    assert monitor.state(0.0).stale
    for i in range(11):
        monitor.arrived(0.1 * i, "mono8" if i == 4 else "")
    state = monitor.state(1.5)
    assert state.rate_hz == pytest.approx(10.0) and not state.stale and state.refused == 1
    assert monitor.state(2.5).stale


def tool(stamp_s):
    return Observation(stamp_s, {}, False, 0.1, (0.0, 0.0, 0.2, 0.0))


def assembler():
    return ObservationAssembler(("shoulder", "wrist"), 0.2)


@pytest.mark.parametrize("tool_first", [True, False])
def test_an_observation_waits_for_all_of_one_stamp(tool_first):
    parts = assembler()
    seen = [parts.add_tool(tool(0.2))] if tool_first else []
    seen += [parts.add_image("shoulder", 0.2, b"s"), parts.add_image("wrist", 0.0, b"old")]
    seen += [parts.add_image("wrist", 0.2, b"w")]
    seen += [] if tool_first else [parts.add_tool(tool(0.2))]
    assert seen[:-1] == [None] * (len(seen) - 1)
    assert seen[-1].images_jpeg == {"shoulder": b"s", "wrist": b"w"}
    assert parts.add_tool(tool(0.2)) is None, "the same tick again is no new observation"
    assert parts.take_counts() == FrameCounts()


def test_missed_ticks_are_counted():
    parts = assembler()
    for stamp_s in (0.2, 0.4, 1.0):
        parts.add_image("shoulder", stamp_s, b"s")
        parts.add_image("wrist", stamp_s, b"w")
        assert parts.add_tool(tool(stamp_s)) is not None
    assert parts.take_counts() == FrameCounts(dropped=2)
    assert parts.take_counts() == FrameCounts()


def test_late_pictures_are_counted_where_time_goes_on():
    parts = assembler()
    parts.add_image("shoulder", 0.2, b"s", now_s=0.25)
    parts.add_tool(tool(0.2))
    assert parts.add_image("wrist", 0.2, b"w", now_s=0.35) is not None
    assert parts.take_counts() == FrameCounts(late=1)


def test_free_running_takes_the_newest_picture_that_is_young_enough():
    parts = ObservationAssembler(("shoulder", "wrist"), 0.2, max_image_age_s=0.1)
    parts.add_image("shoulder", 0.16, b"s")
    parts.add_image("wrist", 0.05, b"old")
    assert parts.add_tool(tool(0.2)) is None, "the wrist's picture is too old"
    assert parts.add_image("wrist", 0.22, b"w").images_jpeg == {"shoulder": b"s", "wrist": b"w"}


@pytest.mark.parametrize(
    ("stamp_s", "tick_s"), [(12.2, 12.2), (12.2034, 12.2), (12.3999, 12.2), (12.4 - 1e-9, 12.4)]
)
def test_ticks(stamp_s, tick_s):
    assert tick_of(stamp_s, 0.2) == pytest.approx(tick_s, abs=2e-9)
    assert tick_of(64 * 0.2, 0.2) == 64 * 0.2
