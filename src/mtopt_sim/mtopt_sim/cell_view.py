"""The whole cell as a picture or a video, drawn from the same world file as the stations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import mujoco
import numpy as np

from mtopt_sim.renderer import Renderer
from mtopt_sim.scene import build_spec, compile_scene
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.station import Station
from mtopt_sim.world_file import read_world
from mtopt_spec.resources import share_dir
from mtopt_spec.whole_file import partial_path


class CellView:
    """A free camera on all stations of a world, with shadows.

    Belongs to one thread. A robot without a station stands as the world file says.

    Args:
        world: World file; None takes the installed `worlds/bin_cell.sdf`.
        size_px: (height, width) of the pictures.
        smooth: Many facets, anti-aliasing and shadows; without it 5 times faster.
    """

    @classmethod
    def for_video(cls, world: Path | None = None) -> CellView:
        """A coarse one of 640 x 360."""
        return cls(world, size_px=(360, 640), smooth=False)

    def __init__(
        self,
        world: Path | None = None,
        *,
        size_px: tuple[int, int] = (720, 1280),
        smooth: bool = True,
    ):
        description = read_world(world or share_dir() / "worlds" / "bin_cell.sdf")
        params = load_sim_params(share_dir() / "params" / "sim.yaml")
        spec = build_spec(description, params, np.eye(4), coarse=not smooth)
        self._model = compile_scene(spec, description)
        self._data = mujoco.MjData(self._model)
        self.size_px = size_px
        self._base = {name: model.pose for name, model in description.models.items()}
        self._renderer = Renderer(self._model)
        self.camera = _camera_on([pose for name, pose in self._base.items() if "_bin" in name])
        mujoco.mj_forward(self._model, self._data)

    def picture(self, stations: Iterable[Station]) -> np.ndarray:
        """(h, w, 3) uint8 RGB of the cell with these stations as they stand now."""
        for station in stations:
            self._copy(station)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        return self._renderer.render(self._data, self.camera, self.size_px)

    def _copy(self, station: Station) -> None:
        base = self._base[station.robot]
        turn, turned = np.empty(4), np.empty(4)
        mujoco.mju_mat2Quat(turn, np.ascontiguousarray(base[:3, :3]).ravel())
        qpos = station.data.qpos
        for j in range(station.model.njnt):  # by body: a sheet's joints have no names
            body = station.model.body(station.model.jnt_bodyid[j])
            own = self._model.body(body.name).jntadr[0] + j - body.jntadr[0]
            here, there = station.model.jnt_qposadr[j], self._model.jnt_qposadr[own]
            if station.model.jnt_type[j] != mujoco.mjtJoint.mjJNT_FREE:
                self._data.qpos[there] = qpos[here]
                continue
            self._data.qpos[there : there + 3] = base[:3, :3] @ qpos[here : here + 3] + base[:3, 3]
            mujoco.mju_mulQuat(turned, turn, qpos[here + 3 : here + 7])
            self._data.qpos[there + 3 : there + 7] = turned
        looks = [(g, station.model.geom(g).name) for g in range(station.model.ngeom)]
        for geom, name in looks:
            if "/look_" in name:
                self._model.geom(name).rgba = station.model.geom_rgba[geom]
        sheet = mujoco.mjtObj.mjOBJ_FLEX
        for f in range(station.model.nflex):
            name = mujoco.mj_id2name(station.model, sheet, f)
            own = mujoco.mj_name2id(self._model, sheet, name)
            self._model.flex_rgba[own] = station.model.flex_rgba[f]


class CellVideo:
    """Writes an MP4 (H.264) of the cell, one picture a call.

    Args:
        path: The file; it is there, whole, after `close`.
        view: Where to look from.
        pictures_per_s: Speed of playing.
    """

    def __init__(self, path: Path, view: CellView, *, pictures_per_s: int = 10):
        self._path, self._view, self._pictures = Path(path), view, 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = partial_path(self._path)
        self._container = av.open(str(self._partial), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=pictures_per_s)
        self._stream.height, self._stream.width = self._view.size_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "23", "preset": "veryfast"}

    def add(self, stations: Iterable[Station]) -> None:
        """Adds a picture of the stations as they stand now."""
        picture = self._view.picture(stations)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        self._container.mux(self._stream.encode(frame))
        self._pictures += 1

    def close(self) -> None:
        """Ends the file and gives it its name; without a picture there is none."""
        if self._pictures:
            self._container.mux(self._stream.encode())
        self._container.close()
        if self._pictures:
            self._partial.rename(self._path)
        else:
            self._partial.unlink(missing_ok=True)


def _camera_on(poses: list[np.ndarray]) -> mujoco.MjvCamera:
    """A camera that has all of some places in view, from in front and above."""
    places = np.array([pose[:3, 3] for pose in poses])
    low, high = places.min(axis=0), places.max(axis=0)
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = 0.5 * (low + high)
    camera.lookat[2] -= 0.1
    camera.azimuth, camera.elevation = 133.0, -32.0
    camera.distance = 1.65 + 0.67 * float(np.linalg.norm(high - low))
    return camera
