"""An arm's URDF as pinocchio reads it: the kinematics by which it is commanded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pinocchio as pin

from mtopt_bringup.conformance.mechanism import JointFacts, Placed
from mtopt_control.arm.kinematics import read_urdf


class UrdfMechanism:
    """Joints and masses of an arm.

    Args:
        urdf: Its file.
        name: The model's name in the world.
        pose: (4, 4) of the model in the world.
    """

    def __init__(self, urdf: str | Path, name: str, pose: np.ndarray):
        self._model = model = pin.buildModelFromXML(read_urdf(urdf))
        self._data = model.createData()
        self._name = name
        self._pose = pin.SE3(pose)
        pin.computeJointJacobians(model, self._data, pin.neutral(model))
        self.joints = {}
        for i in range(1, model.njoints):
            v = model.joints[i].idx_v
            turns = np.linalg.norm(self._data.J[3:, v]) > 0.5
            self.joints[f"{name}/{model.names[i]}"] = JointFacts(
                "revolute" if turns else "prismatic",
                model.lowerPositionLimit[v], model.upperPositionLimit[v],
                model.effortLimit[v], model.velocityLimit[v],
            )  # fmt: skip

    def at(self, positions: Mapping[str, float]) -> dict[str, Placed]:
        """See `Mechanism`."""
        model, data = self._model, self._data
        q = pin.neutral(model)
        for i in range(1, model.njoints):
            q[model.joints[i].idx_q] = positions[f"{self._name}/{model.names[i]}"]
        pin.computeJointJacobians(model, data, q)
        placed = {}
        for i in range(1, model.njoints):
            name = f"{self._name}/{model.names[i]}"
            column = data.J[:, model.joints[i].idx_v]
            axis = column[3:] if self.joints[name].kind == "revolute" else column[:3]
            frame, body = self._pose * data.oMi[i], model.inertias[i]
            placed[name] = Placed(
                frame.translation,
                self._pose.rotation @ axis,
                body.mass,
                frame.act(body.lever),
                frame.rotation @ body.inertia @ frame.rotation.T,
            )
        return placed
