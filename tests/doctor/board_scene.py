"""A printed board before a camera, rendered by MuJoCo: pictures whose truth is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from mtopt_bringup.doctor.boards import Board, draw_board

WIDTH_PX, HEIGHT_PX, FOVY = 640, 480, 45.0
MARGIN_M = 0.02
SCENE = """
<mujoco>
  <visual><global offwidth="640" offheight="480"/><quality offsamples="8"/>
    <headlight ambient="0.85 0.85 0.85" diffuse="0 0 0" specular="0 0 0"/></visual>
  <asset>
    <texture name="board" type="2d" file="{png}"/>
    <material name="board" texture="board" specular="0" shininess="0"/>
  </asset>
  <worldbody>
    <geom type="plane" size="4 4 1" pos="0 0 -0.3" rgba="0.45 0.4 0.35 1"/>
    <body name="board" mocap="true" pos="0 0 0">
      <geom type="plane" size="{half_x} {half_y} 1" material="board"/>
    </body>
    <camera name="camera" mode="fixed" pos="{position}" quat="{quat_wxyz}" fovy="{fovy}"/>
  </worldbody>
</mujoco>
"""
FLIP = Rotation.from_euler("x", np.pi)
"""From an optical frame (z forward, y down) to MuJoCo's camera (z back, y up), and back."""


class BoardScene:
    """The board lies in the bin's frame; the camera looks at it.

    Args:
        folder: For the printed board.
        board: Which.
        pose_bin_camera: (4, 4) of its optical frame in the bin's.
    """

    def __init__(self, folder: Path, board: Board, pose_bin_camera: np.ndarray):
        self.board = board
        pixels_per_m = 6000.0
        margin_px = round(MARGIN_M * pixels_per_m)
        picture = draw_board(board, pixels_per_m, margin_px)
        png = folder / f"{board.kind}.png"
        cv2.imwrite(str(png), picture)
        height, width = picture.shape
        self.half_m = np.array([width, height]) / pixels_per_m / 2
        turn = Rotation.from_matrix(pose_bin_camera[:3, :3]) * FLIP
        x, y, z, w = turn.as_quat()
        self.model = mujoco.MjModel.from_xml_string(
            SCENE.format(
                png=png,
                half_x=self.half_m[0],
                half_y=self.half_m[1],
                position=" ".join(map(str, pose_bin_camera[:3, 3])),
                quat_wxyz=f"{w} {x} {y} {z}",
                fovy=FOVY,
            )
        )
        self.data = mujoco.MjData(self.model)
        self._thread = ThreadPoolExecutor(1)  # whose GL context is no other renderer's
        self._renderer = self._thread.submit(
            mujoco.Renderer, self.model, HEIGHT_PX, WIDTH_PX
        ).result()

    def show(self, middle_bin: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8: the board with its middle at a (4, 4) pose, face along +z."""
        x, y, z, w = Rotation.from_matrix(middle_bin[:3, :3]).as_quat()
        self.data.mocap_pos[0], self.data.mocap_quat[0] = middle_bin[:3, 3], (w, x, y, z)
        mujoco.mj_forward(self.model, self.data)
        return self._thread.submit(self._render).result()

    def _render(self) -> np.ndarray:
        self._renderer.update_scene(self.data, "camera")
        return self._renderer.render()

    def board_pose(self, middle_bin: np.ndarray) -> np.ndarray:
        """(4, 4) of the board's own frame: x along columns, y along rows (down), z into it."""
        inset = MARGIN_M + (self.board.square_m if self.board.kind == "checkerboard" else 0.0)
        corner = np.eye(4)
        corner[:3, :3] = FLIP.as_matrix()
        corner[:2, 3] = -self.half_m[0] + inset, self.half_m[1] - inset
        return middle_bin @ corner

    def close(self) -> None:
        """Frees the picture's buffers."""
        self._thread.submit(self._renderer.close).result()
        self._thread.shutdown()


def focal_length_px() -> float:
    """Of the camera."""
    return HEIGHT_PX / 2 / np.tan(np.radians(FOVY) / 2)


def looking_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(4, 4) optical frame at a position, its z towards a target, its y as far down as can be."""
    z = (target - position) / np.linalg.norm(target - position)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = position
    return pose
