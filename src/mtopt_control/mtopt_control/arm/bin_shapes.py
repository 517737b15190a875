"""The gripper in the bin, as simple shapes: how deep one would be in the other."""

from __future__ import annotations

import itertools

import numpy as np

from mtopt_spec.robot import RobotConfig


class BinShapes:
    """Boxes of the gripper against walls (half-spaces up to their tops) and upright blocks.

    Args:
        robot: The shapes.
    """

    def __init__(self, robot: RobotConfig):
        self._hand = _corners(robot.hand_box_m)
        self._finger = _corners(robot.finger_box_m)
        self._closed_m = robot.finger_closed_m
        planes = np.array(robot.bin_planes, float).reshape(-1, 5)
        self._normals, self._offsets, self._tops = planes[:, :3], planes[:, 3:4], planes[:, 4:]
        blocks = np.array(robot.bin_blocks, float).reshape(-1, 2, 3)
        self._low, self._high = blocks[:, 0], blocks[:, 1]
        boxes = self._boxes(self._closed_m).reshape(-1, 3)
        self._reach_m = float(np.linalg.norm(boxes, axis=1).max())
        self._top_m = max(self._tops.max(initial=-np.inf), self._high[:, 2].max(initial=-np.inf))

    def depth_m(self, rotations: np.ndarray, positions: np.ndarray, finger_m: float) -> float:
        """How deep the gripper is in the bin's parts at worst, over tool poses; below 0: clear.

        A block counts as met by whatever of the gripper's upright outline passes over it between
        one pose and the next, so that a thin one is not stepped over.

        Args:
            rotations: (poses, 3, 3) of the tool in the bin's frame.
            positions: (poses, 3), m.
            finger_m: Position of the finger joint.
        """
        if positions[:, 2].min() - self._reach_m - abs(finger_m - self._closed_m) > self._top_m:
            return -np.inf
        local = self._boxes(finger_m).reshape(-1, 3)
        points = local @ rotations.transpose(0, 2, 1) + positions[:, None]
        flat = points.reshape(-1, 3)
        depth = self._offsets - self._normals @ flat.T
        depth[flat[:, 2] >= self._tops] = -np.inf
        worst = float(depth.max(initial=-np.inf))
        if len(self._low):
            boxes = points.reshape(len(points), 3, 8, 3)
            low, high = boxes.min(2), boxes.max(2)
            low[1:], high[1:] = np.minimum(low[1:], low[:-1]), np.maximum(high[1:], high[:-1])
            overlap = np.minimum(high[:, :, None], self._high) - np.maximum(
                low[:, :, None], self._low
            )
            worst = max(worst, float(overlap.min(-1).max()))
        return worst

    def _boxes(self, finger_m: float) -> np.ndarray:
        """(3, 8, 3) corners of the hand and both fingers in the tool's frame."""
        finger = self._finger + (0.0, finger_m - self._closed_m, 0.0)
        return np.stack([self._hand, finger, finger * (1.0, -1.0, 1.0)])


def _corners(box_m: tuple[tuple[float, float, float], tuple[float, float, float]]) -> np.ndarray:
    """(8, 3) corners of a box given by its lowest and its highest."""
    return np.array(list(itertools.product(*zip(*box_m))), float)
