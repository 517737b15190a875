"""The brake that holds the bin at rest: while it holds, the bin is part of the unmoving world.

A tray on a live motor never sleeps in MuJoCo, and keeps all that lies on it awake. With the brake
on, the tray's shapes stand still in the world instead, so that objects which nobody touches cost
nothing.
"""

from __future__ import annotations

import mujoco
import numpy as np

_ANGLE_RAD, _SPEED_RAD_S = 1e-3, 1e-3


class HingeBrake:
    """Switches contact between the moving tray's shapes and their twins at rest.

    Args:
        model: The compiled scene; a twin is called as its moving shape with `/rest` behind.
        hinge: Name of the hinge's joint.
    """

    def __init__(self, model: mujoco.MjModel, hinge: str):
        self._model = model
        joint = model.joint(hinge)
        self._qpos, self._dof, self._body = joint.qposadr[0], joint.dofadr[0], joint.bodyid[0]
        names = [model.geom(i).name for i in range(model.ngeom)]
        self._rest = np.array([i for i, n in enumerate(names) if n.endswith("/rest")])
        self._moving = np.array([names.index(names[i].removesuffix("/rest")) for i in self._rest])
        self._bits = model.geom_contype[self._rest].copy()
        self.engaged = True
        self._switch(True)

    def match_friction(self) -> None:
        """Gives the twins the friction of the moving shapes."""
        self._model.geom_friction[self._rest] = self._model.geom_friction[self._moving]

    def update(self, data: mujoco.MjData, target_rad: float, set_point_rad: float) -> None:
        """Engages when the bin has come to rest at 0, releases when it is to move."""
        at_rest = (
            target_rad == 0.0
            and set_point_rad == 0.0
            and abs(data.qpos[self._qpos]) < _ANGLE_RAD
            and abs(data.qvel[self._dof]) < _SPEED_RAD_S
        )
        if at_rest != self.engaged:
            self._switch(at_rest)

    def _switch(self, engaged: bool) -> None:
        model = self._model
        model.geom_contype[self._rest] = self._bits if engaged else 0
        model.geom_contype[self._moving] = 0 if engaged else self._bits
        for body in (0, self._body):
            geoms = np.flatnonzero(model.geom_bodyid == body)
            model.body_contype[body] = np.bitwise_or.reduce(model.geom_contype[geoms])
        self.engaged = engaged
