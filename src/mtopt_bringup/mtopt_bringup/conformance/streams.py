"""What the sensors say: rates, stamps, frames, units, pictures and their calibration."""

from __future__ import annotations

import numpy as np

from mtopt_bringup.conformance.check import expect
from mtopt_bringup.conformance.client_node import CAMERAS, Client
from mtopt_control.arm.kinematics import ArmKinematics, read_urdf
from mtopt_sim.world_file import read_world
from mtopt_spec.action import CONTROL_PERIOD_S
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.resources import share_dir

READINGS_HZ = 20.0
"""Joint states a second of simulated time, at least: each control period must have several."""
_SLACK_S = 1e-6
_SLACK_RAD = 1e-3


def check_rates(client: Client) -> str:
    """Several joint states, one picture of each camera and a clock each control period."""
    began_s, periods = client.now_s(), 10
    client.hold(periods * CONTROL_PERIOD_S)
    span_s = client.now_s() - began_s
    rates = {}
    for key in client.heard:
        stamps = {s for s in client.stamps_s(key) if began_s + _SLACK_S < s}
        rates[key] = len({s for s in stamps if s <= began_s + span_s + _SLACK_S}) / span_s
    least = dict.fromkeys(rates, 0.9 / CONTROL_PERIOD_S) | {"joint_states": READINGS_HZ}
    for key, hz in rates.items():
        expect(hz >= least[key], f"rate of {key}", f"{hz:.1f} Hz", f"at least {least[key]:.1f} Hz")
    return ", ".join(f"{key} {hz:.0f} Hz" for key, hz in rates.items())


def check_stamps(client: Client) -> str:
    """Time goes on in every stream; where it waits, all that a tick shows has the tick's stamp."""
    for key in client.heard:
        stamps = np.array(client.stamps_s(key))
        back = stamps[1:][np.diff(stamps) < 0]
        expect(not back.size, f"stamps of {key}", f"one goes back to {back[:1]}", "none")
    if not client.backend.lockstep:
        apart_s = abs(client.stamps_s("clock")[-1] - client.now_s())
        expect(apart_s < CONTROL_PERIOD_S, "/clock and joint states", f"{apart_s} s apart", "0.2 s")
        return f"none goes back; /clock {apart_s:.3f} s from the joint states"
    readings = set(client.stamps_s("joint_states"))
    ticks = set(client.stamps_s(f"{CAMERAS[0]}/image"))
    for stamp in ticks:
        off_s = abs(stamp / CONTROL_PERIOD_S - round(stamp / CONTROL_PERIOD_S)) * CONTROL_PERIOD_S
        expect(off_s < _SLACK_S, "stamp of a picture", stamp, f"a multiple of {CONTROL_PERIOD_S} s")
        expect(stamp in readings, "joint state of a picture's tick", "none", f"one at {stamp} s")
    newest = sorted(ticks)[-20:]
    for key in [k for k in client.heard if k != "joint_states"]:
        lacking = set(newest) - set(client.stamps_s(key))
        expect(not lacking, f"{key} of the ticks", f"none at {sorted(lacking)}", "one a tick")
    return f"{len(ticks)} ticks, each with one stamp on every topic"


def check_frames(client: Client) -> str:
    """A camera's pictures and calibration are of one frame, the truth is in the bin's."""
    frames = {}
    for camera in CAMERAS:
        images = {m.header.frame_id for m in client.heard[f"{camera}/image"]}
        infos = {m.header.frame_id for m in client.heard[f"{camera}/info"]}
        expect(len(images) == 1 and images == infos, f"frames of {camera}", images | infos, "one")
        frames[camera] = images.pop()
    expect(len(set(frames.values())) == len(CAMERAS), "camera frames", frames, "one a camera")
    expect(all(frames.values()), "camera frames", frames, "names")
    truth = {m.header.frame_id for m in client.heard["truth"]}
    expect(truth == {f"{client.robot}/bin"}, "frame of the truth", truth, f"{client.robot}/bin")
    return ", ".join(frames.values())


def check_units(client: Client) -> str:
    """Joints by their names, in rad and m, where they are allowed to be."""
    config, state = client.config, client.joint_state()
    wanted = {*config.arm_joints, config.finger_joint, config.hinge_joint}
    expect(set(state.names) == wanted, "joint names", sorted(state.names), sorted(wanted))
    for what in ("position", "velocity", "effort"):
        values = getattr(state, what)
        expect(bool(np.isfinite(values).all()), f"joint {what}", values.tolist(), "numbers")
    urdf = read_urdf(share_dir() / config.urdf)
    arm = ArmKinematics(
        urdf, config.arm_joints, config.base_link, config.tool_link, config.bin_position_base_m
    )
    position = client.measured()
    inside = (position[:-1] > arm.position_low - _SLACK_RAD) & (
        position[:-1] < arm.position_high + _SLACK_RAD
    )
    expect(bool(inside.all()), "arm joints", position[:-1].tolist(), "rad within the limits")
    finger = (config.finger_closed_m - 0.002, config.finger_open_m + 0.002)
    expect(finger[0] < position[-1] < finger[1], "finger", f"{position[-1]} m", f"{finger} m")
    turned = abs(client.hinge_rad())
    expect(turned < 0.05, "hinge", f"{turned} rad", "level")
    return f"{len(wanted)} joints within their limits"


def check_pictures(client: Client) -> str:
    """RGB pictures of the observation's ratio in which something is to be seen."""
    sizes = []
    for camera in CAMERAS:
        message = client.heard[f"{camera}/image"][-1]
        where = f"picture of {camera}"
        expect(message.encoding in ("rgb8", "bgr8"), where, message.encoding, "rgb8 or bgr8")
        height, width = message.height, message.width
        expect(message.step >= 3 * width, f"step of the {where}", message.step, f"{3 * width}")
        expect(
            len(message.data) == height * message.step,
            f"bytes of the {where}", len(message.data), height * message.step,
        )  # fmt: skip
        rows, columns = DEFAULT_IMAGE_SIZES[camera]
        expect(
            height >= rows and height * columns == width * rows,
            f"size of the {where}", f"{height} x {width}", f"a multiple of {rows} x {columns}",
        )  # fmt: skip
        spread = float(client.picture(camera).std())
        expect(spread > 5.0, f"contrast of the {where}", f"{spread:.1f} of 255", "above 5")
        sizes.append(f"{camera} {height} x {width} {message.encoding}")
    return ", ".join(sizes)


def check_calibration(client: Client) -> str:
    """The calibration is of the picture's size and of the world's field of view."""
    models = read_world(client.world, client.robot).models
    fov = {
        camera.name: camera.horizontal_fov_rad
        for model in models.values()
        for link in model.links.values()
        for camera in link.cameras
    }
    found = []
    for camera in CAMERAS:
        image, info = client.heard[f"{camera}/image"][-1], client.heard[f"{camera}/info"][-1]
        size = (info.height, info.width)
        picture = (image.height, image.width)
        expect(size == picture, f"size in {camera}'s calibration", size, picture)
        fx, fy, cx, cy = info.k[0], info.k[4], info.k[2], info.k[5]
        focal = 0.5 * image.width / np.tan(0.5 * fov[camera])
        for name, got, wanted in (
            ("fx", fx, focal), ("fy", fy, focal),
            ("cx", cx, (image.width - 1) / 2), ("cy", cy, (image.height - 1) / 2),
        ):  # fmt: skip
            near = abs(got - wanted) <= max(1.0, 0.005 * focal)
            expect(near, f"{name} of {camera}", f"{got:.2f} px", f"{wanted:.2f} px")
        p = np.array(info.p).reshape(3, 4)[:, :3].ravel()
        expect(bool(np.allclose(p, info.k, atol=1e-6)), f"p of {camera}", p.tolist(), "as k")
        found.append(f"{camera} f {fx:.1f} px")
    return ", ".join(found)
