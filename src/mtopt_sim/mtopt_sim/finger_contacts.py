"""What a gripper's fingers touch: by that the truth tells what is held."""

from __future__ import annotations

import mujoco


class FingerContacts:
    """The bodies that touch a robot's fingers, and the bin.

    Args:
        model: The compiled scene.
        robot: Name of the robot.
    """

    def __init__(self, model: mujoco.MjModel, robot: str):
        self._model = model
        self._left = model.body(f"{robot}/gripper_left_finger").id
        self._right = model.body(f"{robot}/gripper_right_finger").id
        self._tray = model.body(f"{robot}_bin/tray").id

    def touched(self, data: mujoco.MjData) -> tuple[set[int], set[int], set[int]]:
        """Bodies in contact with the left finger, the right finger, and the bin or ground."""
        left: set[int] = set()
        right: set[int] = set()
        fixed: set[int] = set()
        kinds = {self._left: left, self._right: right, self._tray: fixed, 0: fixed}
        contact = data.contact
        if len(contact) == 0:
            return left, right, fixed
        geoms = contact.geom
        if self._model.nflex:  # a cloth's contacts have no shape of its own
            geoms = geoms[(geoms >= 0).all(1)]
        pairs = self._model.geom_bodyid[geoms]
        for a, b in pairs.tolist():
            if a in kinds:
                kinds[a].add(b)
            if b in kinds:
                kinds[b].add(a)
        return left, right, fixed
