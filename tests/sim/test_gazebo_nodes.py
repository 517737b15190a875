"""Gazebo's side of the cell's topics: what our nodes make of what its systems say and take."""

from __future__ import annotations

import importlib
import importlib.util
import time
import types

import mujoco
import numpy as np
import pytest
from exact_pick import ExactArm, pick

from mtopt_sim.dense_path import DensePath
from mtopt_sim.labels import label_tasks
from mtopt_sim.mirrored_station import MirroredStation, Placed
from mtopt_sim.station import Station
from mtopt_sim.world_file import read_world
from mtopt_spec.errors import InputError
from mtopt_spec.task import load_tasks

ROBOT = "robot_1"


# --- trajectories ----------------------------------------------------------------------------


def test_a_path_goes_on_from_where_the_last_one_has_led():
    path = DensePath(("a", "b"), {"copy": "b"}, point_s=0.05)
    there, points_s = np.array([[1.0, 2.0]]), np.array([0.2])
    positions, _, times_s = path.replace(5.0, np.zeros(2), there, None, points_s)
    assert path.joint_names == ("a", "b", "copy")
    np.testing.assert_allclose(times_s, [0.05, 0.1, 0.15, 0.2])
    np.testing.assert_allclose(positions, np.outer([0.25, 0.5, 0.75, 1.0], [1, 2, 2]))
    # Half way, whatever the arm itself measures, it is told to go back.
    back, _, _ = path.replace(5.1, np.full(2, 9.0), np.zeros((1, 2)), np.zeros((1, 2)), points_s)
    assert 0.4 < back[0, 0] < 0.75 and back[-1].tolist() == [0, 0, 0]
    again, _, _ = path.replace(5.3, np.full(2, 9.0), there, None, points_s)
    np.testing.assert_allclose(again[0], [0.25, 0.5, 0.5])
    with pytest.raises(InputError):
        path.replace(5.4, np.zeros(2), there, None, np.array([np.nan]))


def test_time_that_began_anew_starts_from_the_measured_arm():
    path = DensePath(("a",), {}, point_s=0.1)
    path.replace(50.0, np.zeros(1), np.ones((1, 1)), None, np.array([0.2]))
    positions, _, _ = path.replace(0.0, np.full(1, 3.0), np.ones((1, 1)), None, np.array([0.2]))
    np.testing.assert_allclose(positions[:, 0], [2.0, 1.0])


# --- a mirrored station ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(root):
    return {
        "params": root / "params/sim.yaml", "robot_file": root / "params/robots/iiwa14/robot.yaml",
    }  # fmt: skip


@pytest.fixture(scope="module")
def gazebo(worlds, files):
    """A station that plays Gazebo's part."""
    return Station(worlds / "bin_cell.sdf", "robot_2", **files)


@pytest.fixture(scope="module")
def mirror(worlds, files):
    return MirroredStation(worlds / "bin_cell.sdf", "robot_2", grip_margin_m=0.0015, **files)


def state(station, base, sink_m=0.0):
    """Joints and objects as Gazebo tells of them: poses of models in the world."""
    data, model, turn = station.data, station.model, base[:3, :3]
    joints = {
        model.joint(i).name.split("/")[-1]: float(data.qpos[model.jnt_qposadr[i]])
        for i in range(model.njnt)
        if not model.joint(i).name.endswith("/free")
    }
    for side in ("left", "right"):
        joints[f"gripper_{side}_finger_joint"] += sink_m
    objects = {}
    for name in station._object_qpos:
        free = model.joint(f"{station.robot}_{name}/free")
        pose, speed = data.qpos[free.qposadr[0] :][:7], data.qvel[free.dofadr[0] :][:3]
        position = turn @ pose[:3] + base[:3, 3]
        objects[name] = Placed(position, _turned(turn, pose[3:]), turn @ speed)
    return joints, objects


def _turned(turn, quat):
    of_base, out = np.empty(4), np.empty(4)
    mujoco.mju_mat2Quat(of_base, np.ascontiguousarray(turn).ravel())
    mujoco.mju_mulQuat(out, of_base, quat)
    return out


def base_of(worlds, robot="robot_2"):
    return read_world(worlds / "bin_cell.sdf", robot).models[robot].pose


def assert_same_truth(ours, theirs):
    assert ours.names == theirs.names and ours.section == theirs.section
    np.testing.assert_allclose(ours.position_bin_m, theirs.position_bin_m, atol=1e-6)
    np.testing.assert_allclose(np.abs(ours.quat_bin_wxyz), np.abs(theirs.quat_bin_wxyz), atol=1e-6)
    for field in ("held", "touched", "at_rest"):
        np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field), field)
    assert ours.hinge_angle_rad == pytest.approx(theirs.hinge_angle_rad)


def sorted_truth(truth):
    order = np.argsort(truth.names)
    arrays = {
        name: getattr(truth, name)[order]
        for name in ("position_bin_m", "quat_bin_wxyz", "held", "touched", "at_rest")
    }
    return types.SimpleNamespace(
        names=tuple(np.array(truth.names)[order]), hinge_angle_rad=truth.hinge_angle_rad,
        section=tuple(np.array(truth.section)[order]), **arrays,
    )  # fmt: skip


def held_without_margin(station, sink_m):
    """Whether the gripper's shapes touch an object when its fingers are this much farther open."""
    model, before = station.model, station.data.qpos.copy()
    for side in ("left", "right"):
        finger = model.joint(f"{station.robot}/gripper_{side}_finger_joint")
        station.data.qpos[finger.qposadr[0]] += sink_m
    mujoco.mj_forward(model, station.data)
    held = bool(station.truth().held.all())
    station.data.qpos[:] = before
    mujoco.mj_forward(model, station.data)
    return held


def test_a_mirror_judges_as_the_simulator_itself(gazebo, mirror, worlds, root):
    tasks = load_tasks(root / "params/tasks.yaml")
    base = base_of(worlds)
    gazebo.reset(3)
    for _ in range(2):
        mujoco.mj_forward(gazebo.model, gazebo.data)  # its poses are those of the step before
        mirror.mirror(*state(gazebo, base))
        assert_same_truth(sorted_truth(mirror.truth()), sorted_truth(gazebo.truth()))
        assert mirror._servos.brake.engaged == (gazebo.joint_state().position[-1] < 1e-3)
        # The tray on its way up: the shapes that touch are the moving ones.
        gazebo.command_hinge(0.5)
        gazebo.advance(0.4)
    gazebo.command_hinge(0.0)
    gazebo.reset(1, objects=["apple"])
    assert pick(gazebo, ExactArm(gazebo), "apple", shake=False)[0]
    mujoco.mj_forward(gazebo.model, gazebo.data)
    mirror.mirror(*state(gazebo, base))
    assert_same_truth(sorted_truth(mirror.truth()), sorted_truth(gazebo.truth()))
    assert label_tasks(mirror.truth(), tasks)["lift-any"]
    # An engine in which shapes sink less into each other means the same grip ...
    strict = next(
        sink_m for sink_m in np.arange(0.0, 0.01, 0.0002) if not held_without_margin(gazebo, sink_m)
    )
    mirror.mirror(*state(gazebo, base, sink_m=strict + 0.0005))
    assert mirror.truth().held.tolist() == [True]
    # ... and fingers that are open hold nothing.
    mirror.mirror(*state(gazebo, base, sink_m=0.01))
    assert mirror.truth().held.tolist() == [False]


@pytest.mark.parametrize("world", ["cloth_cell.sdf", "towel_station.sdf"])
def test_beside_cloths_the_other_objects_are_judged(worlds, files, world):
    station = Station(worlds / world, "robot_1", **files)
    station.reset(0, randomise=False)
    mirror = MirroredStation(worlds / world, "robot_1", grip_margin_m=0.0015, **files)
    base = read_world(worlds / world, "robot_1").models["robot_1"].pose
    joints, objects = state(station, base)
    told = {name: joints[name] for name in joints if "iiwa" in name or "finger" in name}
    mirror.mirror({**told, "bin_hinge_joint": joints["bin_hinge_joint"]}, objects)
    stiff = set(station.objects) & set(objects)
    assert stiff and set(mirror.truth().names) == stiff


def test_what_is_not_told_is_an_error(gazebo, mirror, worlds):
    joints, objects = state(gazebo, base_of(worlds))
    with pytest.raises(InputError, match="bin_hinge_joint"):
        mirror.mirror({k: v for k, v in joints.items() if k != "bin_hinge_joint"}, objects)
    with pytest.raises(InputError, match="apple"):
        mirror.mirror(joints, {k: v for k, v in objects.items() if k != "apple"})


def test_a_new_scene_lies_over_the_bin_and_the_rest_far_away(mirror, worlds, files):
    poses = mirror.scene_poses(7)
    assert set(poses) == set(mirror.object_names)
    near = {n for n, p in poses.items() if np.linalg.norm(p[:2] - mirror.bin_position_m[:2]) < 0.2}
    assert len(near) == 5 and mirror.scene_poses(7).keys() == poses.keys()
    np.testing.assert_array_equal(mirror.scene_poses(7)["apple"], poses["apple"])
    base = base_of(worlds)
    for name in near:
        assert poses[name][2] == pytest.approx(base[2, 3] - 0.05 + 0.055)
    parked = [p[:3] for n, p in poses.items() if n not in near]
    other = MirroredStation(worlds / "bin_cell.sdf", "robot_3", grip_margin_m=0.0015, **files)
    parked += [p[:3] for p in other.scene_poses(8).values() if np.linalg.norm(p[:2]) > 15]
    assert all(np.linalg.norm(a - b) > 0.2 for a in parked for b in parked if a is not b)
    with pytest.raises(InputError, match="anvil"):
        mirror.scene_poses(7, ["anvil"])


# --- the nodes -------------------------------------------------------------------------------


class Spun:
    def __init__(self, domain_id):
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        self.context = Context()
        rclpy.init(context=self.context, args=[], domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = []

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def until(self, condition, each=lambda: None, deadline_s=60.0):
        end_s = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end_s, "deadline: the condition never held"
            each()
            self.executor.spin_once(timeout_sec=0.05)

    def close(self):
        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown(timeout_sec=0)
        self.context.try_shutdown()


@pytest.fixture
def spun(domain_id):
    spun = Spun(domain_id)
    try:
        yield spun
    finally:
        spun.close()


def parameters(root, **more):
    from rclpy.parameter import Parameter

    values = {
        "robots": ["robot_2"], "world": str(root / "worlds/bin_cell.sdf"),
        "robot_file": str(root / "params/robots/iiwa14/robot.yaml"), **more,
    }  # fmt: skip
    return [Parameter(name, value=value) for name, value in values.items()]


class FakeGazebo:
    """Publishes a station's state as ros_gz_bridge publishes Gazebo's."""

    def __init__(self, spun, station, base):
        from geometry_msgs.msg import PoseStamped
        from rclpy.node import Node
        from sensor_msgs.msg import JointState
        from trajectory_msgs.msg import JointTrajectory

        self.node = spun.add(Node("fake_gazebo", context=spun.context))
        self.station, self.base, self.now_s = station, base, 1.0
        make = self.node.create_publisher
        self.arm = make(JointState, "/gazebo/robot_2/joint_states", 10)
        self.hinge = make(JointState, "/gazebo/robot_2/bin/joint_states", 10)
        self.poses = {
            name: make(PoseStamped, f"/gazebo/robot_2/{name}/pose", 10)
            for name in station.object_names
        }
        self.trajectories, self.joined = [], []
        self.node.create_subscription(
            JointTrajectory, "/gazebo/robot_2/joint_trajectory", self.trajectories.append, 10
        )
        self.node.create_subscription(JointState, "/robot_2/joint_states", self.joined.append, 10)

    def tell(self):
        from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
        from sensor_msgs.msg import JointState

        from mtopt_spec.ros_messages import to_header

        self.now_s += 0.05
        header = to_header(self.now_s, "")
        joints, objects = state(self.station, self.base)
        hinge = joints.pop("bin_hinge_joint")

        def readings(values):
            zeros = [0.0] * len(values)
            return JointState(
                header=header, name=list(values), position=list(values.values()),
                velocity=zeros, effort=zeros,
            )  # fmt: skip

        self.hinge.publish(readings({"bin_hinge_joint": hinge}))
        self.arm.publish(readings(joints))
        for name, placed in objects.items():
            (x, y, z), (qw, qx, qy, qz) = placed.position_m.tolist(), placed.quat_wxyz.tolist()
            pose = Pose(
                position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)
            )
            self.poses[name].publish(PoseStamped(header=header, pose=pose))


def test_trajectories_become_dense_and_readings_one(spun, gazebo, worlds, root):
    from trajectory_msgs.msg import JointTrajectory

    from mtopt_sim.gazebo_arm_node import GazeboArmNode
    from mtopt_spec.ros_messages import to_joint_trajectory

    gazebo.reset(0)
    fake = FakeGazebo(spun, gazebo, base_of(worlds))
    spun.add(GazeboArmNode(context=spun.context, parameter_overrides=parameters(root)))
    arm = fake.node.create_publisher(JointTrajectory, "/robot_2/joint_trajectory", 10)
    spun.until(lambda: fake.joined and arm.get_subscription_count(), fake.tell)
    state_, names = fake.joined[-1], list(gazebo.joint_names)
    assert list(state_.name) == [*names, "bin_hinge_joint"]
    np.testing.assert_allclose(state_.position, gazebo.joint_state().position)
    assert state_.header.stamp.sec or state_.header.stamp.nanosec, "the reading's own stamp"
    home = gazebo.joint_state().position[:8]
    goal = home + 0.1
    arm.publish(to_joint_trajectory(names[::-1], goal[None, ::-1], goal[None] * 0, [0.2]))
    spun.until(lambda: fake.trajectories, fake.tell)
    dense = fake.trajectories[0]
    assert list(dense.joint_names) == [*names, "gripper_right_finger_joint"]
    assert len(dense.points) == 50 and dense.points[0].time_from_start.nanosec == 4_000_000
    np.testing.assert_allclose(dense.points[-1].positions, [*goal, goal[-1]])
    assert np.abs(np.array(dense.points[0].positions)[:8] - home).max() < 0.01
    # One that does not fit is refused, and the node lives.
    arm.publish(to_joint_trajectory(["elbow"], np.ones((1, 1)), np.ones((1, 1)), [0.2]))
    arm.publish(to_joint_trajectory(names, home[None], home[None] * 0, [0.4]))
    spun.until(lambda: len(fake.trajectories) > 1, fake.tell)
    assert len(fake.trajectories[1].points) == 100


def test_a_world_that_is_reset_begins_anew(spun, gazebo, worlds, root):
    """Gazebo's time is 0 again, and its arm somewhere else than the last trajectory led."""
    from rosgraph_msgs.msg import Clock
    from trajectory_msgs.msg import JointTrajectory

    from mtopt_msgs.msg import SceneTruth
    from mtopt_sim.gazebo_arm_node import GazeboArmNode
    from mtopt_sim.gazebo_truth_node import GazeboTruthNode
    from mtopt_spec.ros_messages import from_time, to_joint_trajectory, to_time

    gazebo.reset(0)
    fake = FakeGazebo(spun, gazebo, base_of(worlds))
    on_clock = parameters(root, use_sim_time=True)
    spun.add(GazeboArmNode(context=spun.context, parameter_overrides=on_clock))
    truth = parameters(root, use_sim_time=True, publish_period_s=0.05)
    spun.add(GazeboTruthNode(context=spun.context, parameter_overrides=truth))
    clock = fake.node.create_publisher(Clock, "/clock", 10)
    arm = fake.node.create_publisher(JointTrajectory, "/robot_2/joint_trajectory", 10)
    scenes = []
    fake.node.create_subscription(SceneTruth, "/truth/robot_2/scene", scenes.append, 10)

    def tell():
        fake.tell()
        clock.publish(Clock(clock=to_time(fake.now_s)))

    fake.now_s = 50.0
    spun.until(lambda: scenes and fake.joined and arm.get_subscription_count(), tell)
    names, home = list(gazebo.joint_names), gazebo.joint_state().position[:8]
    arm.publish(to_joint_trajectory(names, home[None] + 0.3, home[None] * 0, [0.2]))
    spun.until(lambda: fake.trajectories, tell)
    scenes.clear()
    fake.now_s = 0.0
    spun.until(lambda: scenes and from_time(scenes[-1].header.stamp) < 40.0, tell)
    fake.now_s = 60.0  # the old trajectory would be over by now
    spun.until(lambda: from_time(fake.joined[-1].header.stamp) > 59.0, tell)
    arm.publish(to_joint_trajectory(names, home[None], home[None] * 0, [0.2]))
    spun.until(lambda: len(fake.trajectories) > 1, tell)
    first = np.array(fake.trajectories[1].points[0].positions)[:8]
    np.testing.assert_allclose(first, home, atol=1e-3)


@pytest.mark.parametrize("name", ["gazebo_arm_node", "gazebo_truth_node"])
def test_a_nodes_file_holds_what_it_knows_and_its_defaults(name, root):
    import dataclasses

    import yaml

    module = importlib.import_module(f"mtopt_sim.{name}")
    kind = next(v for k, v in vars(module).items() if k.endswith("Parameters"))
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    (section,) = yaml.safe_load((root / f"params/{name}.yaml").read_text()).values()
    values = section["ros__parameters"]
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()} == defaults


@pytest.fixture
def truth_node(spun, gazebo, worlds, root):
    from mtopt_sim.gazebo_truth_node import GazeboTruthNode

    gazebo.reset(1, objects=["apple"])
    fake = FakeGazebo(spun, gazebo, base_of(worlds))
    spun.add(
        GazeboTruthNode(
            context=spun.context,
            parameter_overrides=parameters(root, set_pose_timeout_s=0.3, publish_period_s=0.05),
        )
    )
    return fake


def ask(spun, fake, kind, name, request):
    client = fake.node.create_client(kind, name)
    spun.until(client.service_is_ready, fake.tell)
    answer = client.call_async(request)
    spun.until(answer.done, fake.tell)
    return answer.result()


def test_truth_and_labels_are_served_as_by_our_simulator(spun, truth_node, gazebo):
    from mtopt_msgs.msg import SceneTruth
    from mtopt_msgs.srv import LabelSuccess

    assert pick(gazebo, ExactArm(gazebo), "apple", shake=False)[0]
    scenes = []
    truth_node.node.create_subscription(SceneTruth, "/truth/robot_2/scene", scenes.append, 10)
    spun.until(lambda: scenes, truth_node.tell)
    assert scenes[-1].header.frame_id == "robot_2/bin"
    assert list(scenes[-1].object_names) == ["apple"] and list(scenes[-1].held) == [True]
    assert scenes[-1].poses[0].position.z == pytest.approx(
        gazebo.truth().position_bin_m[0, 2], abs=1e-3
    )
    service = "/truth/label_success"
    request = LabelSuccess.Request(robot="robot_2", gripper_closed=True)
    labels = {
        label.task: label.success
        for label in ask(spun, truth_node, LabelSuccess, service, request).labels
    }
    assert labels["lift-any"] and not labels["place-any"]
    unknown = LabelSuccess.Request(robot="robot_9")
    assert not ask(spun, truth_node, LabelSuccess, service, unknown).labels


@pytest.mark.skipif(
    importlib.util.find_spec("ros_gz_interfaces") is not None, reason="ros_gz is installed"
)
def test_without_ros_gz_a_new_scene_is_refused_in_words(spun, truth_node):
    from mtopt_msgs.srv import NewScene

    spun.until(lambda: truth_node.now_s > 2.0, truth_node.tell)
    request = NewScene.Request(robot="robot_2", seed=1)
    answer = ask(spun, truth_node, NewScene, "/simulator/new_scene", request)
    assert not answer.done and "ros_gz_interfaces" in answer.error_msg


def test_a_new_scene_is_put_into_gazebo_object_by_object(spun, truth_node, monkeypatch):
    """SetEntityPose is ros_gz's; where it is not installed another type plays its part."""
    import mtopt_sim.gazebo_truth_node as node_file
    from mtopt_msgs.srv import NewScene

    put, sets_poses = {}, []

    def on_request(request, response):
        put[request.entity.name] = request.pose
        response.success = bool(sets_poses)
        return response

    kind = set_pose_type()
    monkeypatch.setattr(node_file, "set_entity_pose_type", lambda: kind)
    request = NewScene.Request(robot="robot_2", seed=1, objects=["apple", "box"])
    spun.until(lambda: truth_node.now_s > 2.0, truth_node.tell)
    answer = ask(spun, truth_node, NewScene, "/simulator/new_scene", request)
    assert not answer.done and "no service" in answer.error_msg
    truth_node.node.create_service(kind, "/world/bin_cell/set_pose", on_request)
    spun.until(
        lambda: "robot_2_apple" in put,
        lambda: ask(spun, truth_node, NewScene, "/simulator/new_scene", request),
    )
    sets_poses.append(True)
    answer = ask(spun, truth_node, NewScene, "/simulator/new_scene", request)
    assert answer.done and sorted(answer.objects) == ["apple", "box"], answer.error_msg
    assert len(put) == 9 and put["robot_2_apple"].position.z == pytest.approx(0.605)


def set_pose_type():
    return pytest.importorskip(
        "ros_gz_interfaces.srv", reason="ros_gz_interfaces comes with Gazebo alone"
    ).SetEntityPose


def test_every_endpoint_of_our_simulator_is_there_in_gazebo(spun, truth_node, root):
    """What a robot hears, and what it can ask, is the same whoever simulates."""
    from rclpy.parameter import Parameter

    from mtopt_sim.gazebo_arm_node import GazeboArmNode
    from mtopt_sim.gazebo_topics import clock, robot_topics
    from mtopt_sim.simulator_node import SimulatorNode

    ours = spun.add(
        SimulatorNode(
            context=spun.context,
            parameter_overrides=[
                Parameter("robots", value=2),
                Parameter("discovery_s", value=60.0),
            ],
        )
    )
    truth = next(node for node in spun.nodes if node.get_name() == "gazebo_truth_node")
    arm = spun.add(GazeboArmNode(context=spun.context, parameter_overrides=parameters(root)))
    world = read_world(root / "worlds/bin_cell.sdf")
    bridged = [clock(), *robot_topics(world, "robot_2")]
    given = {topic.ros: topic.ros_type for topic in bridged if topic.to_ros}
    taken = {topic.ros: topic.ros_type for topic in bridged if not topic.to_ros}

    def endpoints(node, how):
        found = getattr(node, f"get_{how}_names_and_types_by_node")(node.get_name(), "/")
        return {name: types_[0] for name, types_ in found if node.get_name() not in name}

    def of_robot_2(found):
        return {n: t for n, t in found.items() if "robot_1" not in n and "rosout" not in n}

    spun.until(lambda: endpoints(ours, "publisher") and endpoints(arm, "publisher"))
    for how, there in (("publisher", given), ("subscriber", taken)):
        wanted = of_robot_2(endpoints(ours, how))
        for node in (truth, arm):
            there |= endpoints(node, how)
        wanted.pop("/diagnostics", None)
        assert wanted and wanted.items() <= there.items(), set(wanted.items()) - set(there.items())
    services = endpoints(ours, "service")
    assert services.items() <= endpoints(truth, "service").items()
    # And what only our nodes hear is bridged.
    heard = endpoints(truth, "subscriber") | endpoints(arm, "subscriber")
    assert {n: k for n, k in heard.items() if n.startswith("/gazebo")}.items() <= given.items()
