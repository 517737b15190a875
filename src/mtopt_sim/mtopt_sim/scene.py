"""Builds the MuJoCo scene from a world's description: the one place where the two meet."""

from __future__ import annotations

import itertools

import mujoco
import numpy as np

from mtopt_sim.coarse_mesh import coarse_mesh
from mtopt_sim.description import (
    Camera,
    Collision,
    Inertia,
    Joint,
    Link,
    Model,
    Visual,
    World,
    inverse,
)
from mtopt_sim.sheet import add_sheet
from mtopt_sim.sim_params import SimParams
from mtopt_sim.xml_reader import WorldFileError
from mtopt_spec.errors import InputError

# Who touches whom. Arm links touch nothing: the safety clamp keeps them out of the way.
_FIXED_BIT, _OBJECT_BIT, _GRIPPER_BIT = 1, 2, 4
_TOUCHES = {
    "fixed": (_FIXED_BIT, 0),
    "object": (_OBJECT_BIT, _FIXED_BIT | _OBJECT_BIT),
    "gripper": (_GRIPPER_BIT, _FIXED_BIT | _OBJECT_BIT),
    "nothing": (0, 0),
}
_COLLISION_GROUP, _VISUAL_GROUP = 3, 0
_LAMP_DISTANCE_M = 10.0
_GEOM_TYPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "plane": mujoco.mjtGeom.mjGEOM_PLANE,
}
# From a camera that looks along x with z up (SDF) to one that looks along -z with y up (MuJoCo).
_SDF_TO_MUJOCO_CAMERA = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def build_spec(
    world: World,
    params: SimParams,
    origin: np.ndarray,
    *,
    robot: str | None = None,
    coarse: bool = True,
) -> mujoco.MjSpec:
    """The scene of a world.

    Bodies, joints, sites and cameras are called MODEL/NAME. Links that are fixed to each other
    become one body; links without shape or mass become sites. A robot's arm and its bin have
    servos; the joints of any other model only give way.

    Args:
        world: Its description.
        params: Servo gains and solver settings.
        origin: (4, 4) pose in the world of what becomes MuJoCo's origin.
        robot: The scene is this robot's alone: what belongs to no robot (ground, lights) is put as
            if its station stood in the middle of the world, so that all stations are the same.
        coarse: Few facets and no shadows, for fast small pictures.

    Raises:
        InputError: An arm has another number of joints than `params` has gains.
    """
    spec = mujoco.MjSpec()
    spec.modelname = world.name
    spec.compiler.degree = False
    option = spec.option
    option.timestep = world.step_s
    option.gravity = world.gravity
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE  # faster at this size than sparse
    option.impratio = params.impratio
    option.iterations = params.solver_iterations
    option.tolerance = params.solver_tolerance
    option.sleep_tolerance = params.sleep_tolerance
    option.enableflags |= mujoco.mjtEnableBit.mjENBL_SLEEP
    _quality(spec, coarse)
    _view_depth(spec, world)
    to_scene = to_scene_shared = inverse(origin)
    if robot is not None:
        to_scene_shared = np.eye(4)
        to_scene_shared[2, 3] = -origin[2, 3]
    _lights(spec, world, to_scene_shared, coarse)
    for model in world.models.values():
        shared = robot is not None and not _belongs(model.name, robot)
        pose = relative_pose(to_scene_shared if shared else to_scene, model.pose)
        _ModelBuilder(spec, model, pose, params, coarse, _part(model.name, world)).build()
    return spec


def compile_scene(spec: mujoco.MjSpec, world: World) -> mujoco.MjModel:
    """Compiles a scene of `build_spec`.

    Raises:
        WorldFileError: MuJoCo cannot make physics of it.
    """
    try:
        return spec.compile()
    except ValueError as error:
        raise WorldFileError(
            "world file", where=world.path, got=" ".join(str(error).split()),
            expected="bodies and joints that MuJoCo takes",
        ) from error  # fmt: skip


def _part(name: str, world: World) -> str:
    """What a model is of a robot: `arm`, `bin` or `other`."""
    if f"{name}_bin" in world.models:
        return "arm"
    is_bin = name.endswith("_bin") and name.removesuffix("_bin") in world.models
    return "bin" if is_bin else "other"


def relative_pose(to_scene: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """(4, 4) pose in the scene, rounded: stations at any place are equal to the last bit."""
    return np.round(to_scene @ pose, 9) + 0.0


def object_names(world: World, robot: str) -> tuple[str, ...]:
    """The graspable objects of a robot's station: its models of one free link."""
    return tuple(
        name.removeprefix(f"{robot}_")
        for name, model in world.models.items()
        if name.startswith(f"{robot}_") and _is_object(model)
    )


def _belongs(name: str, robot: str) -> bool:
    return name == robot or name.startswith(f"{robot}_")


def _is_object(model: Model) -> bool:
    return not model.static and not model.joints


def _quality(spec: mujoco.MjSpec, coarse: bool) -> None:
    quality = spec.visual.quality
    if coarse:
        quality.numslices, quality.numstacks, quality.numquads = 10, 4, 1
        quality.offsamples, quality.shadowsize = 0, 0
    else:
        quality.numslices, quality.numstacks, quality.numquads = 40, 24, 4
        quality.offsamples, quality.shadowsize = 8, 4096
    getattr(spec.visual, "global").offwidth = 2560
    getattr(spec.visual, "global").offheight = 1440


def _view_depth(spec: mujoco.MjSpec, world: World) -> None:
    """MuJoCo has one near and far plane for all cameras, in units of the scene's extent."""
    cameras = [c for m in world.models.values() for link in m.links.values() for c in link.cameras]
    spec.stat.extent = 1.0
    spec.visual.map.shadowscale = 0.95
    spec.visual.map.znear = min((camera.near_m for camera in cameras), default=0.02)
    spec.visual.map.zfar = max((camera.far_m for camera in cameras), default=20.0)


def _lights(spec: mujoco.MjSpec, world: World, to_scene: np.ndarray, coarse: bool) -> None:
    headlight = spec.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = world.ambient, [0] * 3, [0] * 3
    for light in world.lights:
        direction = to_scene[:3, :3] @ light.direction
        position = to_scene[:3, :3] @ light.position + to_scene[:3, 3]
        kind = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        if not coarse:
            # Shadows of a distant lamp are drawn cleanly, those of a true directional light not.
            kind = mujoco.mjtLightType.mjLIGHT_SPOT
            position = _middle(world, to_scene) - _LAMP_DISTANCE_M * direction
        spec.worldbody.add_light(
            name=light.name,
            type=kind,
            pos=position,
            dir=direction,
            diffuse=light.diffuse,
            specular=light.specular,
            ambient=[0, 0, 0],
            cutoff=60,
            exponent=0,
            castshadow=light.shadows and not coarse,
        )
    if not coarse:
        spec.add_texture(
            name="sky",
            type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
            rgb1=world.background,
            rgb2=[0.5 * value for value in world.background],
            width=256,
            height=256 * 6,
        )


def _middle(world: World, to_scene: np.ndarray) -> np.ndarray:
    return np.mean([(to_scene @ model.pose)[:3, 3] for model in world.models.values()], axis=0)


class _ModelBuilder:
    """Adds one model to a scene."""

    def __init__(
        self, spec, model: Model, pose: np.ndarray, params: SimParams, coarse: bool, part: str
    ):
        self._spec, self._model, self._pose, self._params = spec, model, pose, params
        self._coarse, self._part = coarse, part
        self._gains = _arm_gains(model, params) if part == "arm" else {}

    def build(self) -> None:
        """Adds bodies, joints, actuators, equalities."""
        model = self._model
        moving = {j.child: j for j in model.joints if j.kind != "fixed" and not model.static}
        fixed = {j.child: j.parent for j in model.joints if j.child not in moving}
        body_links: dict[str, list[str]] = {}
        for name in model.links:
            root = name
            while root not in moving and root in fixed:
                root = fixed[root]
            body_links.setdefault(root, []).append(name)
        world_frame = np.eye(4)
        bodies = {"world": (self._spec.worldbody, world_frame)}
        roots = [name for name in body_links if name not in moving]
        for name in roots:
            if self._part == "other" and not model.static and (moving or name != "world"):
                bodies[name] = self._add_own_body(name, body_links[name])
            else:
                bodies[name] = (self._spec.worldbody, world_frame)
                self._fill(*bodies[name], body_links[name])
        waiting = dict(moving)
        while waiting:
            for child, joint in list(waiting.items()):
                parent = joint.parent
                while parent not in moving and parent in fixed:
                    parent = fixed[parent]
                if parent in bodies:
                    bodies[child] = self._add_jointed_body(bodies[parent], joint, body_links[child])
                    del waiting[child]
        if self._part == "other":
            self._ignore_own_contacts([body for body, _ in bodies.values()])

    def _ignore_own_contacts(self, bodies: list) -> None:
        """SDF's rule: the links of one model do not touch each other."""
        names = [body.name for body in bodies if body is not self._spec.worldbody]
        for one, other in itertools.combinations(names, 2):
            self._spec.add_exclude(bodyname1=one, bodyname2=other)

    def _add_own_body(self, name: str, links: list[str]):
        """A free one, or, as `world`, one that stands where the model is put."""
        link = self._model.links.get(name, Link(name, np.eye(4)))
        pose = self._pose @ link.pose
        if link.sheet is not None:
            full = f"{self._model.name}/{name}"
            add_sheet(self._spec, full, link.sheet, pose, _TOUCHES["object"])
            return self._spec.worldbody, pose
        body = self._spec.worldbody.add_body(
            name=f"{self._model.name}/{name}", pos=pose[:3, 3], quat=_quat(pose)
        )
        if name != "world":
            body.add_freejoint(name=f"{self._model.name}/free")
        self._fill(body, pose, links)
        return body, pose

    def _add_jointed_body(self, parent, joint: Joint, links: list[str]):
        parent_body, parent_pose = parent
        pose = self._pose @ self._model.links[joint.child].pose
        local = inverse(parent_pose) @ pose
        body = parent_body.add_body(
            name=f"{self._model.name}/{joint.child}", pos=local[:3, 3], quat=_quat(local)
        )
        joint_pose = inverse(pose) @ self._pose @ joint.pose
        name = f"{self._model.name}/{joint.name}"
        body.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_HINGE
            if joint.kind == "revolute"
            else mujoco.mjtJoint.mjJNT_SLIDE,
            pos=joint_pose[:3, 3],
            axis=joint_pose[:3, :3] @ joint.axis,
            range=[joint.lower, joint.upper],
            limited=mujoco.mjtLimited.mjLIMITED_TRUE,
            damping=joint.damping,
            frictionloss=joint.friction,
            stiffness=joint.spring_stiffness,
            springref=joint.spring_reference,
            armature=self._gains[joint.name][2] if joint.name in self._gains else 0.0,
        )
        self._fill(body, pose, links)
        driven = self._part != "other"
        body.gravcomp = float(driven)
        if joint.mimics:
            self._couple(name, f"{self._model.name}/{joint.mimics}")
        elif driven:
            self._servo(joint, name)
        return body, pose

    def _servo(self, joint: Joint, name: str) -> None:
        params = self._params
        if joint.name in self._gains:
            stiffness, damping, _ = self._gains[joint.name]
        elif self._part == "arm":
            stiffness, damping = params.finger_stiffness, params.finger_damping
        else:
            stiffness, damping = params.hinge_stiffness, params.hinge_damping
        actuator = self._spec.add_actuator(
            name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0] = stiffness
        actuator.biasprm[1] = -stiffness
        actuator.biasprm[2] = -damping
        if np.isfinite(joint.effort):
            actuator.forcerange = [-joint.effort, joint.effort]
            actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE

    def _couple(self, name: str, to: str) -> None:
        equality = self._spec.add_equality(
            name=name, type=mujoco.mjtEq.mjEQ_JOINT, name1=name, name2=to
        )
        equality.objtype = mujoco.mjtObj.mjOBJ_JOINT
        equality.data[:5] = [0, 1, 0, 0, 0]

    def _fill(self, body, body_pose: np.ndarray, names: list[str]) -> None:
        """Puts shapes, cameras, sites and mass of some links into one body."""
        to_body = inverse(body_pose)
        masses = []
        for name in names:
            link = self._model.links.get(name)
            if link is None:
                continue
            pose = to_body @ self._pose @ link.pose
            for i, collision in enumerate(link.collisions):
                self._collision(body, pose, link, collision, f"{link.name}/touch_{i}")
            for i, visual in enumerate(link.visuals):
                self._visual(body, pose, visual, f"{link.name}/look_{i}")
            for camera in link.cameras:
                self._camera(body, pose, camera)
            if not (link.collisions or link.visuals) or link.cameras:
                site = f"{self._model.name}/{name}"
                body.add_site(name=site, pos=pose[:3, 3], quat=_quat(pose), group=5)
            if link.inertia is not None:
                masses.append((pose @ link.inertia.pose, link.inertia))
        if masses and body is not self._spec.worldbody:
            _set_inertia(body, masses)

    def _collision(self, body, pose, link: Link, collision: Collision, name: str) -> None:
        moves = body is not self._spec.worldbody
        if self._part == "arm":
            if not link.name.startswith("gripper_"):
                return
            touches = "gripper"
        else:
            touches = "object" if moves and self._part == "other" else "fixed"
        places = [(body, pose @ collision.pose, "")]
        if moves and self._part == "bin":
            # The twin at rest: see hinge_brake.py.
            at_rest = self._pose @ link.pose @ collision.pose
            places.append((self._spec.worldbody, at_rest, "/rest"))
        contype, conaffinity = _TOUCHES[touches]
        for owner, local, suffix in places:
            owner.add_geom(
                name=f"{self._model.name}/{name}{suffix}",
                type=_GEOM_TYPES[collision.shape.kind],
                size=_size(collision.shape),
                pos=local[:3, 3],
                quat=_quat(local),
                contype=contype,
                conaffinity=conaffinity,
                condim=4 if link.name.endswith("_pad") else 3,
                friction=[collision.friction, collision.torsional_friction, 0.0001],
                group=_COLLISION_GROUP,
                mass=0,
            )

    def _visual(self, body, pose, visual: Visual, name: str) -> None:
        local = pose @ visual.pose
        contype, conaffinity = _TOUCHES["nothing"]
        name = f"{self._model.name}/{name}"
        if self._coarse and visual.shape.kind != "plane":
            vertices, faces = coarse_mesh(visual.shape)
            self._spec.add_mesh(name=name, uservert=vertices.ravel(), userface=faces.ravel())
            looks = {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": name}
        else:
            looks = {"type": _GEOM_TYPES[visual.shape.kind], "size": _size(visual.shape)}
        body.add_geom(
            name=name,
            **looks,
            pos=local[:3, 3],
            quat=_quat(local),
            contype=contype,
            conaffinity=conaffinity,
            rgba=visual.rgba,
            group=_VISUAL_GROUP,
            mass=0,
        )

    def _camera(self, body, pose, camera: Camera) -> None:
        local = pose @ camera.pose
        rotation = np.eye(4)
        rotation[:3, :3] = local[:3, :3] @ _SDF_TO_MUJOCO_CAMERA
        body.add_camera(
            name=f"{self._model.name}/{camera.name}",
            pos=local[:3, 3],
            quat=_quat(rotation),
            fovy=np.rad2deg(camera.horizontal_fov_rad),
        )


def _arm_gains(model: Model, params: SimParams) -> dict[str, tuple[float, float, float]]:
    """Stiffness, damping and armature of each of an arm's own joints."""
    names = [j.name for j in model.joints if j.kind == "revolute" and not j.mimics]
    if len(names) != len(params.arm_stiffness):
        raise InputError(
            "arm_stiffness, arm_damping, arm_armature", where="the simulator's parameters",
            got=f"{len(params.arm_stiffness)} of each",
            expected=f"{len(names)}, one a joint of {model.name}",
        )  # fmt: skip
    gains = zip(params.arm_stiffness, params.arm_damping, params.arm_armature, strict=True)
    return dict(zip(names, gains, strict=True))


def _size(shape) -> list[float]:
    size = list(shape.size_m)
    if shape.kind == "box":
        return [0.5 * value for value in size]
    if shape.kind in ("cylinder", "capsule"):
        return [size[0], 0.5 * size[1], 0]
    if shape.kind == "plane":
        return [0.5 * size[0], 0.5 * size[1], 1]
    return size + [0] * (3 - len(size))


def _quat(pose: np.ndarray) -> np.ndarray:
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(pose[:3, :3]).ravel())
    return quat


def _set_inertia(body, masses: list[tuple[np.ndarray, Inertia]]) -> None:
    """Sums masses and inertias that are fixed to one another (parallel axes)."""
    total = sum(inertia.mass_kg for _, inertia in masses)
    centre = sum(pose[:3, 3] * inertia.mass_kg for pose, inertia in masses) / total
    matrix = np.zeros((3, 3))
    for pose, inertia in masses:
        arm = pose[:3, 3] - centre
        rotation = pose[:3, :3]
        matrix += rotation @ inertia.matrix @ rotation.T
        matrix += inertia.mass_kg * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    body.mass = total
    body.ipos = centre
    body.fullinertia = [
        matrix[0, 0], matrix[1, 1], matrix[2, 2], matrix[0, 1], matrix[0, 2], matrix[1, 2],
    ]  # fmt: skip
    body.explicitinertial = True
