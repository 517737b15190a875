"""The worlds as Gazebo takes them: its systems, the arm through its parser, gains that hold."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest

from mtopt_sim.scene import build_spec
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.trajectory import JointTrajectory
from mtopt_sim.world_file import WorldFileError, read_world

ROOT = Path(__file__).resolve().parents[2]
WORLDS = sorted(ROOT.glob("worlds/*.sdf"))
ARM = ROOT / "worlds/models/iiwa14_gripper/iiwa14_gripper.urdf"

# File and class of each system, as gz-sim 8 (Harmonic) builds and registers them.
SYSTEMS = {
    "gz-sim-physics-system": "gz::sim::systems::Physics",
    "gz-sim-user-commands-system": "gz::sim::systems::UserCommands",
    "gz-sim-scene-broadcaster-system": "gz::sim::systems::SceneBroadcaster",
    "gz-sim-sensors-system": "gz::sim::systems::Sensors",
    "gz-sim-joint-trajectory-controller-system": "gz::sim::systems::JointTrajectoryController",
    "gz-sim-joint-position-controller-system": "gz::sim::systems::JointPositionController",
    "gz-sim-joint-state-publisher-system": "gz::sim::systems::JointStatePublisher",
    "gz-sim-pose-publisher-system": "gz::sim::systems::PosePublisher",
}


def plugins(element):
    found = {plugin.get("filename"): plugin for plugin in element.iter("plugin")}
    for file, plugin in found.items():
        assert SYSTEMS[file] == plugin.get("name")
    return found


def included(world):
    root = ElementTree.parse(world).getroot()
    uris = {uri.text.removeprefix("model://") for uri in root.iter("uri")}
    return {name: ElementTree.parse(ROOT / f"worlds/models/{name}/model.sdf").getroot()
            for name in uris if name != "iiwa14_gripper"}  # fmt: skip


@pytest.mark.parametrize("world", WORLDS, ids=lambda path: path.stem)
def test_gazebo_runs_the_world_without_anything_added(world):
    root = ElementTree.parse(world).getroot().find("world")
    names = [f"gz-sim-{name}-system" for name in ("physics", "user-commands", "scene-broadcaster")]
    assert list(plugins(root)) == [*names, "gz-sim-sensors-system"]
    assert root.find("plugin/render_engine").text == "ogre2", "the engine that needs no display"
    default = [p for p in root.findall("physics") if p.get("default") == "true"]
    assert [p.find("max_step_size").text for p in default] == ["0.001"]
    assert read_world(world).step_s == 0.004, "MuJoCo's own profile"
    for name, model in included(world).items():
        static = model.findtext("model/static") == "true"
        wanted = [] if static else ["gz-sim-pose-publisher-system"]
        if name == "tilting_bin":
            wanted = [f"gz-sim-joint-{name}-system" for name in
                      ("position-controller", "state-publisher")]  # fmt: skip
        assert list(plugins(model)) == wanted, name


def test_the_towel_is_the_cloth_in_strips(worlds):
    def model(name):
        return ElementTree.parse(worlds / f"models/{name}/model.sdf").getroot().find("model")

    cloth, towel = model("cloth"), model("towel")
    (flat,) = [
        [float(v) for v in size.text.split()] for size in cloth.findall("link/collision//size")
    ]
    strips = [[float(v) for v in s.text.split()] for s in towel.findall("link/collision//size")]
    assert sum(size[0] for size in strips) == pytest.approx(flat[0], abs=1e-5)
    assert all(size[1:] == flat[1:] for size in strips)
    mass = sum(float(m.text) for m in towel.findall("link/inertial/mass"))
    assert mass == pytest.approx(float(cloth.findtext("link/inertial/mass")), abs=1e-5)
    sheet = "{urn:mtopt:sdf}"
    slope = float(cloth.findtext(f"link/{sheet}sheet/{sheet}crease_rad"))
    turns = [float(e.text) for e in towel.findall("joint/axis/dynamics/spring_reference")]
    assert turns == [2 * slope * sign for sign in (-1, 1) * (len(strips) // 2)]
    mu = {e.text for e in towel.findall("link/collision//mu")}
    assert mu == {e.text for e in cloth.findall("link/collision//mu")}


@pytest.mark.parametrize("place", ["world", "model"])
def test_an_element_that_the_reader_does_not_know_is_refused(place, worlds, tmp_path):
    """Plugins are passed over because they are Gazebo's, not because nobody looks."""
    shutil.copytree(worlds, tmp_path / "worlds")
    name = "one_station.sdf" if place == "world" else "models/apple/model.sdf"
    file = tmp_path / "worlds" / name
    file.write_text(file.read_text().replace(f"</{place}>", f"<population/></{place}>"))
    with pytest.raises(WorldFileError, match=r"<population>"):
        read_world(tmp_path / "worlds/one_station.sdf")


@pytest.mark.skipif(shutil.which("ign") is None, reason="`ign sdf` is not installed")
@pytest.mark.parametrize("urdf", sorted(ROOT.glob("worlds/models/*/*.urdf")), ids=lambda p: p.stem)
def test_the_sdf_parser_makes_a_model_of_the_urdf(urdf, worlds):
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        ["ign", "sdf", "-p", str(urdf)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr
    model = ElementTree.fromstring(done.stdout).find("model")
    arm = read_world(worlds / "one_station.sdf").models["robot_1"]
    ours = {joint.name: joint for joint in arm.joints if joint.kind != "fixed"}
    theirs = {joint.get("name"): joint for joint in model.findall("joint")}
    assert set(ours) == set(theirs) - {"base_mount"}, "the arm stands on the world"
    for name, joint in ours.items():
        limit = theirs[name].find("axis/limit")
        found = [float(limit.findtext(key)) for key in ("lower", "upper", "velocity", "effort")]
        wanted = [joint.lower, joint.upper, joint.velocity, joint.effort]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    # A link without mass is lost on the way; what it carried must not be.
    sensors = {s.get("name"): link.get("name") for link in model.findall("link")
               for s in link.findall("sensor")}  # fmt: skip
    assert sensors == {"wrist": "iiwa_link_7"}
    for joint in ours.values():
        assert model.find(f"link[@name='{joint.child}']/gravity").text == "false"
    for side in ("left", "right"):
        friction = model.findall(f"link[@name='gripper_{side}_finger']/collision/surface/friction")
        assert [f.findtext("ode/mu") for f in friction] == [None, "1.5"], "the pad, not the finger"
    found = plugins(model)
    controlled = [e.text for e in found["gz-sim-joint-trajectory-controller-system"]
                  if e.tag == "joint_name"]  # fmt: skip
    assert sorted(controlled) == sorted(ours), "Gazebo's physics knows no <mimic>"
    told = [e.text for e in found["gz-sim-joint-state-publisher-system"].findall("joint_name")]
    assert told == controlled


def gains():
    """Names, stiffness, damping and effort of the arm's servos in Gazebo."""
    servo = plugins(ElementTree.parse(ARM))["gz-sim-joint-trajectory-controller-system"]

    def column(tag):
        return [float(e.text) for e in servo.findall(tag)]

    names = [e.text for e in servo.findall("joint_name")]
    return names, *(np.array(column(tag)) for tag in
                    ("position_p_gain", "velocity_p_gain", "position_cmd_max"))  # fmt: skip


def test_the_gains_hold_the_arm_in_steps_of_gazebos_size(worlds, root, robot):
    """A stand-in for Gazebo's engine: explicit forces, no rotors, one force a millisecond."""
    world = read_world(worlds / "one_station.sdf")
    spec = build_spec(world, load_sim_params(root / "params/sim.yaml"),
                      world.models["robot_1"].pose, robot="robot_1")  # fmt: skip
    for element in [*spec.actuators, *spec.equalities]:
        spec.delete(element)
    for joint in spec.joints:
        joint.armature = 0
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    spec.option.timestep = 0.001
    model = spec.compile()
    data = mujoco.MjData(model)
    names, stiffness, damping, effort = gains()
    joints = [model.joint(f"robot_1/{name}") for name in names]
    qpos, dof = (np.array([getattr(j, key)[0] for j in joints]) for key in ("qposadr", "dofadr"))
    for i in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
        data.qpos[model.jnt_qposadr[i]] += 30 + i  # nothing in the way
    home, retract = (np.array([*place, 0.05, 0.05])
                     for place in (robot.home_position, robot.retract_position))  # fmt: skip
    fastest = np.array([*robot.max_velocity, *[robot.finger_max_velocity] * 2]) * 0.2 / 1.5
    data.qpos[qpos] = was = home
    rng, errors, speeds = np.random.default_rng(1), [], []
    for tick in range(60):
        goal = home + np.append(rng.uniform(-0.25, 0.25, 7), rng.choice([-0.05, 0.0]) * np.ones(2))
        goal = retract if tick % 20 >= 14 else goal
        way = (goal - was) / max(1.0, np.max(np.abs(goal - was) / fastest))
        path = JointTrajectory(
            was, 0 * was, was + np.outer([0.25, 0.75, 1.0], way),
            np.outer([7.5, 7.5, 0.0], way), 0.2 * np.array([1, 2, 3]) / 3,
        )  # fmt: skip
        # The controller steers to the next of the points, which are 4 ms apart.
        positions, velocities = path.sample(0.004 * np.arange(1, 51))
        for step in range(200):
            force = np.clip(stiffness * (positions[step // 4] - data.qpos[qpos]), -effort, effort)
            force += np.clip(damping * (velocities[step // 4] - data.qvel[dof]), -effort, effort)
            data.qfrc_applied[dof] = force
            mujoco.mj_step(model, data)
        was = was + way
        errors.append(np.abs(data.qpos[qpos] - was))
        speeds.append(np.abs(data.qvel[dof]))
    worst, typical = np.max(errors, axis=0), np.median(errors, axis=0)
    assert np.all(worst < 0.03), worst
    assert np.all(typical < 0.005), typical
    trembling = np.median(speeds, axis=0)
    assert np.all(trembling < 0.1), trembling
