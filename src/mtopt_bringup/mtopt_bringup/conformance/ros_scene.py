"""Objects, bin and gravity: new scenes, the reset by the hinge, truth and labels."""

from __future__ import annotations

import numpy as np

from mtopt_bringup.conformance.check import expect
from mtopt_bringup.conformance.client_node import Client
from mtopt_bringup.conformance.motion import go_home
from mtopt_msgs.msg import Goal, SceneTruth
from mtopt_msgs.srv import LabelSuccess, NewScene
from mtopt_sim.cell import cell_tasks
from mtopt_sim.description import inverse
from mtopt_sim.scene import object_names
from mtopt_sim.world_file import read_world
from mtopt_spec.goal import REACH_GOAL

SCENE_SEED = 5
_HALF_SIDE_M = 0.2
"""Of the picking area, bin frame."""
_HINGE_RAD = 0.03
"""The hinge's servo gives way under the objects."""
_SLIDES_M = 0.02


def _scene(client: Client) -> SceneTruth:
    """The latest truth, with a place for every object it names."""
    truth = client.heard["truth"][-1]
    for what in ("poses", "held"):
        count = len(getattr(truth, what))
        expect(count == len(truth.object_names), f"{what} in the truth", count, "one an object")
    for name, pose in zip(truth.object_names, truth.poses):
        q = pose.orientation
        norm = float(np.linalg.norm([q.x, q.y, q.z, q.w]))
        expect(abs(norm - 1.0) < 1e-3, f"orientation of {name}", norm, "a unit quaternion")
    return truth


def _places(truth: SceneTruth) -> np.ndarray:
    """(objects, 3) centres in the bin's frame, m."""
    return np.array([(p.position.x, p.position.y, p.position.z) for p in truth.poses])


def check_new_scene(client: Client) -> str:
    """Named objects, and no others, lie on the floor of the picking area; the arm has none."""
    known = object_names(read_world(client.world, client.robot), client.robot)
    wanted = sorted(known[:3])
    answer = client.put_scene(SCENE_SEED, wanted)
    expect(answer.done, "new_scene", answer.error_msg, "done")
    expect(sorted(answer.objects) == wanted, "objects of the answer", answer.objects, wanted)
    truth = _scene(client)
    expect(sorted(truth.object_names) == wanted, "objects", truth.object_names, wanted)
    for name, (x, y, z) in zip(truth.object_names, _places(truth)):
        lies = max(abs(x), abs(y)) < _HALF_SIDE_M and 0.0 < z < 0.1
        expect(lies, f"place of {name}", (x, y, z), "on the floor of the picking area")
    expect(not any(truth.held), "held objects", truth.held, "none")
    drawn = client.put_scene(SCENE_SEED + 1)
    expect(drawn.done and bool(drawn.objects), "a drawn scene", drawn.objects, "objects")
    return f"{', '.join(wanted)}; drawn: {', '.join(drawn.objects)}"


def check_refusals(client: Client) -> str:
    """A robot or an object that there is not is refused in words, and nothing happens."""
    for robot, objects in (("robot_0", []), (client.robot, ["unicorn"])):
        request = NewScene.Request(robot=robot, seed=1, objects=objects)
        answer = client.call(client.node.new_scene, request)
        refused = not answer.done and bool(answer.error_msg)
        expect(refused, f"new_scene of {robot} {objects}", "done", "an error")
    labels = client.call(client.node.label, LabelSuccess.Request(robot="robot_0")).labels
    expect(not labels, "labels of robot_0", len(labels), "none")
    return "unknown robot, unknown object"


def check_bin(client: Client) -> str:
    """The hinge turns the bin, gravity moves what lies in it downhill, and it gets level again."""
    client.put_scene(SCENE_SEED)
    go_home(client)
    angle_rad = client.config.bin_reset[0][0]
    before = dict(zip(client.heard["truth"][-1].object_names, _places(_scene(client))))
    client.turn_bin(angle_rad, 2.0)
    got = client.hinge_rad()
    expect(abs(got - angle_rad) < _HINGE_RAD, "hinge", f"{got:.3f} rad", f"{angle_rad} rad")
    truth = _scene(client)
    told = truth.hinge_angle_rad
    expect(abs(told - got) < _HINGE_RAD, "hinge in the truth", f"{told:.3f} rad", f"{got:.3f} rad")
    after = dict(zip(truth.object_names, _places(truth)))
    expect(before.keys() == after.keys(), "objects", sorted(after), sorted(before))
    downhill = _downhill(client, angle_rad)
    moved = {name: float((after[name] - before[name]) @ downhill) for name in before}
    mean_m = float(np.mean(list(moved.values())))
    expect(mean_m > _SLIDES_M, "way downhill in the tilted bin", moved, "objects slide, in m")
    client.turn_bin(0.0, 2.0)
    level = client.hinge_rad()
    expect(abs(level) < _HINGE_RAD, "hinge", f"{level:.3f} rad", "level")
    return f"{got:.2f} rad, objects {100 * mean_m:.0f} cm downhill, level again"


def _downhill(client: Client, angle_rad: float) -> np.ndarray:
    """(3,) the way down on the tilted tray, by gravity and hinge of the world; bin frame."""
    world = read_world(client.world, client.robot)
    bin_model = world.models[f"{client.robot}_bin"]
    hinge = next(j for j in bin_model.joints if j.name == client.config.hinge_joint)
    x, y, z = hinge.pose[:3, :3] @ hinge.axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross
    gravity = inverse(bin_model.pose)[:3, :3] @ world.gravity
    normal = turn @ [0.0, 0.0, 1.0]
    down = gravity - (gravity @ normal) * normal
    return down / np.linalg.norm(down)


def check_labels(client: Client) -> str:
    """A label a task, by the simulator's truth; nothing has succeeded in a fresh scene."""
    client.put_scene(SCENE_SEED)
    tasks = [task.name for task in cell_tasks()]
    labels = client.call(client.node.label, LabelSuccess.Request(robot=client.robot)).labels
    expect([label.task for label in labels] == tasks, "labels", [x.task for x in labels], tasks)
    sources = {label.source for label in labels}
    expect(sources == {"simulator"}, "source of labels", sources, "simulator")
    early = [label.task for label in labels if label.success]
    expect(not early, "success in a fresh scene", early, "none")
    truth = client.heard["truth"][-1]
    goal = Goal(has_truth=True, kind=Goal.KIND_REARRANGE, object=truth.object_names[0])
    goal.position_bin_m = truth.poses[0].position
    request = LabelSuccess.Request(robot=client.robot, goal=goal)
    found = {x.task: x.success for x in client.call(client.node.label, request).labels}
    expect(found.get(REACH_GOAL) is True, "goal where the object lies", found, "reached")
    return f"{len(tasks)} tasks, and {REACH_GOAL}"
