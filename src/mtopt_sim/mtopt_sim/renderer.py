"""Pictures from a MuJoCo scene; each thread has one graphics context of its own."""

from __future__ import annotations

import threading
import time
import zlib
from functools import lru_cache

import mujoco
import numpy as np

_threads = threading.local()
_HIDDEN_GROUP = 5


class Renderer:
    """Renders one model's cameras; may be called from any thread, one at a time.

    Args:
        model: The compiled scene.
        geom_groups: The groups of shapes that are seen.
    """

    def __init__(self, model: mujoco.MjModel, geom_groups: tuple[int, ...] = (0,)):
        self._model = model
        self.drawing_s = 0.0
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 8)
        quality = model.vis.quality
        looks = (quality.numslices, quality.offsamples, quality.shadowsize, model.ntex, model.nflex)
        self._looks = (*looks, zlib.crc32(model.mesh_vert.tobytes()))
        self._groups, self._shown_groups = model.geom_group, model.geom_group.copy()
        bounded = np.isin(model.geom_group, geom_groups) & (model.geom_rbound > 0)  # no planes
        self._reach_m = np.where(bounded, model.geom_rbound, np.inf)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[list(geom_groups)] = 1
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        for flag in (mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_HAZE):
            self._scene.flags[flag] = False
        if model.vis.quality.shadowsize == 0:
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = False

    def render(self, data: mujoco.MjData, camera: int | mujoco.MjvCamera, size_px) -> np.ndarray:
        """(h, w, 3) uint8 RGB of a fixed camera (by index) or a free one; size (h, w)."""
        height, width = size_px
        if not isinstance(camera, mujoco.MjvCamera):
            self._hide_what_is_out_of_sight(data, camera, width / height)
            self._camera.fixedcamid = camera
            camera = self._camera
        context = _context(self._model, self._looks, height, width)
        began_s = time.thread_time()
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, context)
        picture = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, viewport, context)
        self.drawing_s += time.thread_time() - began_s
        return picture[::-1].copy()

    def _hide_what_is_out_of_sight(self, data, camera: int, aspect: float) -> None:
        """Moves shapes whose bounding sphere a fixed camera cannot see to a group not drawn."""
        borders = _outwards(float(self._model.cam_fovy[camera]), aspect)
        outwards = borders @ data.cam_xmat[camera].reshape(3, 3).T
        beyond_m = outwards @ (data.geom_xpos - data.cam_xpos[camera]).T  # (borders, geoms)
        hidden = beyond_m.max(0) >= self._reach_m
        self._groups[:] = np.where(hidden, _HIDDEN_GROUP, self._shown_groups)


@lru_cache(maxsize=256)
def _outwards(vertical_fov_deg: float, aspect: float) -> np.ndarray:
    """(5, 3) unit normals of a view's borders in the camera's axes (x right, y up, z back)."""
    half_y = np.deg2rad(vertical_fov_deg) / 2
    half_x = np.arctan(np.tan(half_y) * aspect)
    return np.array(
        [
            [0.0, 0.0, 1.0],
            [np.cos(half_x), 0.0, np.sin(half_x)],
            [-np.cos(half_x), 0.0, np.sin(half_x)],
            [0.0, np.cos(half_y), np.sin(half_y)],
            [0.0, -np.cos(half_y), np.sin(half_y)],
        ]
    )


def _context(model: mujoco.MjModel, looks: tuple, height: int, width: int) -> mujoco.MjrContext:
    """This thread's context for models drawn as this one; made current.

    One context serves all models of the same `looks`: drawing quality and meshes.
    """
    side = 64
    while side < max(height, width):
        side *= 2
    key = (side, *looks)
    contexts = _threads.__dict__.setdefault("contexts", {})
    if "gl" not in contexts:
        contexts["gl"] = mujoco.GLContext(64, 64)
        contexts["gl"].make_current()
    if key not in contexts:
        model.vis.global_.offwidth = model.vis.global_.offheight = side
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        contexts[key] = context
        contexts["bound"] = None
    if contexts.get("bound") != key:
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, contexts[key])
        contexts["bound"] = key
    return contexts[key]
