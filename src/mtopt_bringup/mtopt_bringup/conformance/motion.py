"""Does the arm follow what it is told, and does one seed give one motion?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_bringup.conformance.backend import Backend
from mtopt_bringup.conformance.check import expect
from mtopt_bringup.conformance.client_node import CAMERAS, Client

STEPS = 10
_REACH = 0.6
"""Share of what each joint may travel in one control period."""
SCENE_SEED = 11


def postures(client: Client, count: int, seed: int) -> list[np.ndarray]:
    """Goals of `count` control periods near home, (arm joints + finger,) each."""
    config, rng = client.config, np.random.default_rng(seed)
    home = np.array([*config.home_position, config.finger_open_m])
    reach = np.append(np.array(config.max_velocity) * 0.2 / 1.5 * _REACH / 2, 0.0)
    goals = []
    for _ in range(count):
        goal = home + rng.uniform(-reach, reach)
        goal[-1] = rng.choice([config.finger_open_m, 0.6 * config.finger_open_m])
        goals.append(goal)
    return goals


def go_home(client: Client) -> None:
    """Brings the arm home, slowly, from wherever the simulator has it."""
    home = np.array([*client.config.home_position, client.config.finger_open_m])
    start = client.measured()
    periods = int(np.ceil(np.abs(home - start).max() / 0.15)) + 1
    for share in np.linspace(0.0, 1.0, periods + 1)[1:]:
        client.step(start + share * (home - start))


def check_tracking(client: Client) -> str:
    """At the end of each trajectory the joints are where it ends."""
    go_home(client)
    worst_rad = worst_m = 0.0
    for goal in postures(client, STEPS, seed=1):
        client.step(goal)
        error = np.abs(client.measured() - goal)
        worst_rad, worst_m = max(worst_rad, error[:-1].max()), max(worst_m, error[-1])
    backend = client.backend
    expect(
        worst_rad <= backend.tracking_rad, "arm joint at a trajectory's end",
        f"{1000 * worst_rad:.1f} mrad away", f"at most {1000 * backend.tracking_rad:.0f} mrad",
    )  # fmt: skip
    expect(
        worst_m <= backend.tracking_m, "finger at a trajectory's end",
        f"{1000 * worst_m:.2f} mm away", f"at most {1000 * backend.tracking_m:.0f} mm",
    )  # fmt: skip
    return f"{STEPS} trajectories: {1000 * worst_rad:.2f} mrad, {1000 * worst_m:.2f} mm at worst"


@dataclass(frozen=True)
class Rehearsal:
    """What a fixed sequence of commands brought about.

    Attributes:
        positions: (steps, joints) after each step.
        pictures: Of each camera, after the last step.
    """

    positions: np.ndarray
    pictures: tuple[np.ndarray, ...]


def rehearse(client: Client) -> Rehearsal:
    """One scene, one sequence of commands; the bin tips in the middle of it."""
    client.put_scene(SCENE_SEED)
    go_home(client)
    positions = []
    for index, goal in enumerate(postures(client, STEPS, seed=2)):
        if index == STEPS // 2:
            client.turn_bin(0.3, 0.2)
        client.step(goal)
        positions.append([*client.measured(), client.hinge_rad()])
    client.turn_bin(0.0, 1.0)
    return Rehearsal(np.array(positions), tuple(client.picture(camera) for camera in CAMERAS))


def check_repeats(first: Rehearsal, second: Rehearsal, backend: Backend) -> str:
    """The same seed and commands in another run: the same joints and pictures."""
    rad = float(np.abs(first.positions - second.positions).max())
    expect(rad <= backend.same_rad, "joint positions of two runs", f"{rad} apart", backend.same_rad)
    grey = 0.0
    for one, other in zip(first.pictures, second.pictures):
        expect(one.shape == other.shape, "pictures of two runs", other.shape, one.shape)
        grey = max(grey, float(np.abs(one.astype(float) - other).mean()))
    expect(grey <= backend.same_grey, "pictures of two runs", f"{grey} apart", backend.same_grey)
    exact = backend.same_rad == 0.0 and backend.same_grey == 0.0
    return "two runs, equal to the bit" if exact else f"two runs, {rad:.4f} rad, {grey:.2f} grey"
