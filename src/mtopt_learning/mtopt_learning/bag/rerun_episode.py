"""An episode as a Rerun recording: pictures, joints, the tool's way, actions, Q-values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from mtopt_learning.bag.reader import BagEpisode
from mtopt_spec.action import ACTION_NAMES
from mtopt_spec.observation import MAX_OPENING_M

TIMELINE = "time"
OBSERVATION_TIMELINE = "observation"
GOAL = "goal"
SUCCESS_RGB, FAILURE_RGB = (30, 160, 110), (215, 95, 60)
OPEN_RGB, CLOSED_RGB = (40, 110, 220), (220, 150, 30)


def log_episode(
    recording: rr.RecordingStream,
    episode: BagEpisode,
    q_curves: Mapping[str, np.ndarray],
    first: int = 0,
) -> int:
    """Writes one episode into a Rerun recording, on the bag's own time and by observations.

    Args:
        recording: Where to.
        episode: A complete episode.
        q_curves: Name to (steps + 1,) values.
        first: Number of its first observation in this recording.

    Returns:
        Number of the next episode's first observation.
    """
    begin, end = episode.begin, episode.end
    index = _index(episode.stamp_ns, first)
    for camera, pictures in episode.images_jpeg.items():
        recording.send_columns(
            f"cameras/{camera}",
            indexes=index,
            columns=rr.EncodedImage.columns(
                blob=pictures, media_type=["image/jpeg"] * len(pictures)
            ),
        )
    closed, position = episode.state[:, 0] > 0.5, episode.state[:, 2:5]
    recording.send_columns(
        "scene/tool",
        indexes=index,
        columns=rr.Points3D.columns(
            positions=position,
            colors=[CLOSED_RGB if shut else OPEN_RGB for shut in closed],
            radii=np.full(len(closed), 0.008),
        ),
    )
    _log_curves(recording, "tool", index, zip(("x_m", "y_m", "z_m"), position.T, strict=True))
    azimuth = np.arctan2(episode.state[:, 5], episode.state[:, 6])
    opening = episode.state[:, 1] * MAX_OPENING_M
    _log_curves(recording, "gripper", index, [("opening_m", opening), ("closed", closed)])
    _log_curves(recording, "tool", index, [("azimuth_rad", azimuth)])
    by_name = ((name.replace(" ", "_"), values) for name, values in q_curves.items())
    _log_curves(recording, "q", index, by_name)
    acted = _index(episode.stamp_ns[: end.steps], first)
    _log_curves(recording, "action/sent", acted, zip(ACTION_NAMES, episode.action.T, strict=True))
    if len(episode.joint_stamp_ns):
        joints = zip(episode.joint_names, episode.joint_position.T, strict=True)
        _log_curves(recording, "joints", _index(episode.joint_stamp_ns, None), joints)
    _at(recording, episode, 0, first)
    for camera in episode.images_jpeg:
        jpeg = episode.goal_images_jpeg.get(camera)
        shown = rr.Clear(recursive=False)  # of an episode before
        if jpeg is not None:
            shown = rr.EncodedImage(contents=jpeg, media_type="image/jpeg")
        recording.log(f"cameras/{GOAL}/{camera}", shown)
    colour = SUCCESS_RGB if end.success else FAILURE_RGB
    recording.log("scene/path", rr.LineStrips3D([position], colors=[colour], radii=[0.002]))
    text = f"begin {begin.episode_id}: {begin.task} by {begin.policy}"
    recording.log("episode/markers", rr.TextLog(text, level="INFO"))
    recording.log("episode/summary", rr.TextDocument(_summary(episode), media_type="text/markdown"))
    _at(recording, episode, end.steps, first)
    text = f"end {begin.episode_id}: {_outcome(episode)}"
    recording.log("episode/markers", rr.TextLog(text, level="INFO" if end.success else "WARN"))
    return first + len(episode.stamp_ns)


def _index(stamp_ns: np.ndarray, first: int | None) -> list[rr.TimeColumn]:
    """Time columns of a stream; with numbers from `first` on where a row is an observation."""
    columns = [rr.TimeColumn(TIMELINE, duration=np.asarray(stamp_ns) / 1e9)]
    if first is not None:
        numbers = np.arange(first, first + len(stamp_ns))
        columns.append(rr.TimeColumn(OBSERVATION_TIMELINE, sequence=numbers))
    return columns


def _at(recording: rr.RecordingStream, episode: BagEpisode, step: int, first: int) -> None:
    """Sets the time of what is logged next to an observation's."""
    recording.set_time(TIMELINE, duration=episode.stamp_ns[step] / 1e9)
    recording.set_time(OBSERVATION_TIMELINE, sequence=first + step)


def _log_curves(
    recording: rr.RecordingStream,
    below: str,
    index: Sequence[rr.TimeColumn],
    curves: Iterable[tuple[str, np.ndarray]],
) -> None:
    """One scalar entity a curve."""
    for name, values in curves:
        scalars = rr.Scalars.columns(scalars=np.asarray(values, np.float64))
        recording.send_columns(f"{below}/{name}", indexes=index, columns=scalars)


def _outcome(episode: BagEpisode) -> str:
    """How it ended, in words."""
    end = episode.end
    if episode.void:
        return f"void: {end.fault.name.lower()} {end.fault_msg}".rstrip()
    success = "success" if end.success else "failure"
    return f"{success} ({end.reason.name.lower()} after {end.steps} steps)"


def _summary(episode: BagEpisode) -> str:
    """The episode's head and tail as a small Markdown table."""
    begin, end = episode.begin, episode.end
    solved = ", ".join(label.task for label in end.labels if label.success) or "none"
    rows = (
        ("episode", begin.episode_id),
        ("robot", begin.robot),
        ("task", begin.task),
        ("policy", begin.policy + (f" ({begin.checkpoint})" if begin.checkpoint else "")),
        ("seed", str(begin.seed)),
        ("outcome", _outcome(episode)),
        ("judged by", f"{end.success_source}, probability {end.success_probability:.2f}"),
        ("tasks solved", solved),
        ("dropped, late frames", f"{end.dropped_frames}, {end.late_frames}"),
    )
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)


def blueprint(cameras: Sequence[str], with_q: bool) -> rrb.Blueprint:
    """Where everything stands in the viewer."""
    plots = [
        rrb.TimeSeriesView(origin="/joints", name="joint positions (rad; finger m)"),
        rrb.TimeSeriesView(origin="/tool", name="tool in the bin's frame"),
        rrb.TimeSeriesView(origin="/action/sent", name="action sent"),
    ]
    if with_q:
        plots.insert(0, rrb.TimeSeriesView(origin="/q", name="Q-values"))
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                *[rrb.Spatial2DView(origin=f"/cameras/{name}", name=name) for name in cameras]
            ),
            rrb.Vertical(
                rrb.Spatial3DView(origin="/scene", name="tool path"),
                rrb.TextDocumentView(origin="/episode/summary", name="episode"),
                rrb.TextLogView(origin="/episode/markers", name="episodes"),
                row_shares=[5, 3, 2],
            ),
            rrb.Vertical(*plots),
        )
    )
