"""Pictures from a MuJoCo scene; each thread has one graphics context of its own."""

from __future__ import annotations

import threading
import time
import zlib

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
        looks = (quality.numslices, quality.offsamples, quality.shadowsize, model.ntex)
        self._looks = (*looks, zlib.crc32(model.mesh_vert.tobytes()))
        self._seen = np.flatnonzero(np.isin(model.geom_group, geom_groups))
        self._seen_groups = model.geom_group[self._seen].copy()
        self._reach_m = model.geom_rbound[self._seen].copy()
        self._reach_m[self._reach_m == 0] = np.inf  # planes
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
        model = self._model
        x, y, z = ((data.geom_xpos[self._seen] - data.cam_xpos[camera])
                   @ data.cam_xmat[camera].reshape(3, 3)).T  # fmt: skip
        half_y = np.deg2rad(model.cam_fovy[camera]) / 2
        half_x = np.arctan(np.tan(half_y) * aspect)
        reach = self._reach_m
        seen = z < reach
        seen &= np.abs(x) * np.cos(half_x) + z * np.sin(half_x) < reach
        seen &= np.abs(y) * np.cos(half_y) + z * np.sin(half_y) < reach
        model.geom_group[self._seen] = np.where(seen, self._seen_groups, _HIDDEN_GROUP)


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
