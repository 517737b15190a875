"""Is what the truth tells of where the calibration says that the camera sees it?"""

from __future__ import annotations

import numpy as np

from mtopt_bringup.conformance.check import expect
from mtopt_bringup.conformance.client_node import Client
from mtopt_sim.description import World, inverse
from mtopt_sim.scene import object_names
from mtopt_sim.world_file import read_world

CAMERA = "shoulder"
SCENE_SEED = 3
_OFF_SHARE = 0.05
"""Of the picture's width: a scene may shift and turn the camera a little."""
_ALIKE = 0.97
"""Cosine of two colours that count as one."""
_LEAST_PIXELS = 4


def check_seen(client: Client) -> str:
    """A coloured object alone in the bin is seen where its true place is in the picture."""
    world = read_world(client.world, client.robot)
    name, colour = _most_coloured(world, client.robot)
    client.put_scene(SCENE_SEED, [name])
    truth = client.heard["truth"][-1]
    at = truth.poses[list(truth.object_names).index(name)].position
    info = client.heard[f"{CAMERA}/info"][-1]
    seen = inverse(_camera_in_bin(world, client.robot)) @ [at.x, at.y, at.z, 1.0]
    u, v, depth = np.array(info.k).reshape(3, 3) @ seen[:3]
    expected = np.array([u, v]) / depth
    image = client.picture(CAMERA).astype(float)
    alike = image @ colour / np.maximum(np.linalg.norm(image, axis=2), 1.0)
    rows, columns = np.nonzero((alike > _ALIKE) & (image.max(axis=2) > 50))
    expect(len(rows) >= _LEAST_PIXELS, f"pixels of the colour of {name}", len(rows), "some")
    found = np.array([np.median(columns), np.median(rows)]) + 0.5
    off_px = float(np.linalg.norm(found - expected))
    expect(
        off_px < _OFF_SHARE * info.width, f"{name} in the picture of {CAMERA}",
        f"at {found.round(1)} px", f"at {expected.round(1)} px",
    )  # fmt: skip
    return f"{name} {off_px:.1f} px from where it should be, {len(rows)} pixels"


def _most_coloured(world: World, robot: str) -> tuple[str, np.ndarray]:
    """The object whose colour is farthest from grey, and its (3,) colour of length 1."""
    colours = {}
    for name in object_names(world, robot):
        link = next(iter(world.models[f"{robot}_{name}"].links.values()))
        colours[name] = np.array(link.visuals[0].rgba[:3])
    name = max(colours, key=lambda key: np.ptp(colours[key]))
    return name, colours[name] / np.linalg.norm(colours[name])


def _camera_in_bin(world: World, robot: str) -> np.ndarray:
    """(4, 4) optical frame (z forward, x right, y down) of the camera, in the bin's frame."""
    model = world.models[f"{robot}_{CAMERA}_camera"]
    link, camera = next(
        (link, c) for link in model.links.values() for c in link.cameras if c.name == CAMERA
    )
    optical = np.eye(4)
    optical[:3, :3] = [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]  # SDF looks along x
    pose = model.pose @ link.pose @ camera.pose @ optical
    return inverse(world.models[f"{robot}_bin"].pose) @ pose
