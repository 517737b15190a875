"""docs/reference.md: every topic, service, action and parameter, from the nodes themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mtopt_bringup.markdown import table
from mtopt_bringup.reference.meanings import meaning
from mtopt_bringup.reference.ros_inventory import Endpoint, NodeEntry

_HEAD = """# Reference

Every topic, service, action and parameter of the cell's nodes. Made from the nodes themselves by
`mtopt reference --out docs/reference.md`: each is started with its file in `params/` and asked; a
test compares this page with them. `<robot>` is a namespace (`robot_1`), `<camera>` one below it
(`camera`, `wrist_camera`). Parameters have the values of the shipped files; `params/sim`, `gazebo`
and `real` hold what differs there, and the cell's options ([launch.md](launch.md)) set the rest.
Nodes also have ROS's own parameters (`use_sim_time`) and services.
"""
_UNITS = (
    (r"_(s)$", "s"), (r"_(hz)$", "Hz"), (r"_px$", "px"), (r"_rad$", "rad"), (r"_m$", "m"),
    (r"_megabytes$", "MB"),
)  # fmt: skip


def reference_page(nodes: Sequence[NodeEntry]) -> str:
    """The whole page as Markdown."""
    parts = [_HEAD, "## Topics, services, actions\n", _overview(nodes), ""]
    parts += ["## Nodes\n", *(_node(node) for node in nodes)]
    return "\n".join(parts)


def public_name(name: str) -> str:
    """An endpoint's name for any robot, camera and object."""
    name = re.sub(r"/robot_1/(episode/goal/|goal/|)(wrist_)?camera/", r"/<robot>/\1<camera>/", name)
    name = name.replace("/robot_1/", "/<robot>/")
    return re.sub(r"^/gazebo/<robot>/(\w+)/pose$", "/gazebo/<robot>/<object>/pose", name)


def endpoints(nodes: Iterable[NodeEntry]) -> dict[tuple[str, str, str], dict[str, list[str]]]:
    """(kind, public name, type) to the nodes on its two sides: `gives` and `takes`."""
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for node in nodes:
        for kind, side, its in (
            ("topic", "gives", node.publishes), ("topic", "takes", node.subscribes),
            ("service", "gives", node.serves), ("service", "takes", node.calls),
            ("action", "gives", node.action_servers), ("action", "takes", node.action_clients),
        ):  # fmt: skip
            for endpoint in its:
                key = (kind, public_name(endpoint.name), endpoint.type)
                sides = found.setdefault(key, {"gives": [], "takes": []})
                if node.name not in sides[side]:
                    sides[side].append(node.name)
    return found


def _overview(nodes: Sequence[NodeEntry]) -> str:
    rows = []
    order = ("topic", "service", "action")
    for (kind, name, type_), sides in sorted(
        endpoints(nodes).items(), key=lambda item: (order.index(item[0][0]), item[0][1])
    ):
        words = [", ".join(sides[side]) or "–" for side in ("gives", "takes")]
        rows.append([kind, f"`{name}`", f"`{type_}`", *words, meaning(name, type_)])
    return table(["", "name", "type", "published or served by", "heard or called by", ""], rows)


def _node(node: NodeEntry) -> str:
    rows = []
    for what, its in (
        ("publishes", node.publishes), ("subscribes", node.subscribes), ("serves", node.serves),
        ("calls", node.calls), ("action server", node.action_servers),
        ("action client", node.action_clients),
    ):  # fmt: skip
        rows += [[what, f"`{name}`", qos] for name, qos in _public(its)]
    parts = [f"### {node.name}\n"]
    if rows:
        parts += [table(["", "name", "quality of service"], rows), ""]
    parts.append(
        table(
            ["parameter", "type", "value", "unit", ""],
            [[f"`{p.name}`", p.type, f"`{p.value}`", _unit(p.name), p.meaning]
             for p in node.parameters],
        )
    )  # fmt: skip
    return "\n".join([*parts, ""])


def _public(its: Iterable[Endpoint]) -> list[tuple[str, str]]:
    return sorted({(public_name(endpoint.name), endpoint.qos) for endpoint in its})


def _unit(name: str) -> str:
    return next((unit for pattern, unit in _UNITS if re.search(pattern, name)), "")
