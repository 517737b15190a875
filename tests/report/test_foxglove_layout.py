"""The Foxglove layout names panels that exist, and topics and fields of the cell's contract."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from mtopt_spec import bag_topics

LAYOUT = Path(__file__).parents[2] / "launch" / "foxglove_layout.json"
ROBOTS = [f"robot_{i}" for i in range(1, 8)]
TOPICS = {
    topic.name: topic.type
    for topic in (
        bag_topics.EPISODE_BEGIN, bag_topics.EPISODE_END, bag_topics.ACTION_SENT,
        bag_topics.JOINT_STATES, bag_topics.TOOL_STATE,
        *(make(camera) for camera in bag_topics.CAMERA_NAMESPACES
          for make in (bag_topics.camera_image, bag_topics.camera_info)),
    )
}  # fmt: skip
SHARED = {
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    "/task_statistics": "mtopt_msgs/msg/TaskStatistics",
}


@pytest.fixture(scope="module")
def layout() -> dict:
    return json.loads(LAYOUT.read_text())


def panels(node) -> list[str]:
    """Panels that a layout tree places."""
    if isinstance(node, str):
        return [node]
    return [*panels(node["first"]), *panels(node["second"])]


def message_class(type_name: str):
    package, _, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def test_every_panel_is_placed_once_and_configured(layout):
    tabs = layout["configById"][layout["layout"]]["tabs"]
    placed = [layout["layout"], *(panel for tab in tabs for panel in panels(tab["layout"]))]
    assert sorted(placed) == sorted(layout["configById"])
    assert [tab["title"] for tab in tabs] == ["Cell", *ROBOTS]


def test_every_path_is_a_field_of_a_topic(layout):
    text = json.dumps(layout)
    paths = sorted(set(re.findall(r'"(/[^"]+)"', text)))
    assert {f"/{robot}/camera/image/compressed" for robot in ROBOTS} <= set(paths)
    for path in paths:
        topic, _, field = path.partition(".")
        _, _, name = topic[1:].partition("/")
        type_name = SHARED.get(topic) or TOPICS[name]
        assert topic in SHARED or topic.split("/")[1] in ROBOTS
        fields = message_class(type_name).get_fields_and_field_types()
        for part in filter(None, re.sub(r"\[[^]]*\]", "", field).split(".")):
            assert part in fields, path
            kind = re.sub(r"^sequence<(.*?)(, \d+)?>$", r"\1", fields[part])
            fields = (
                message_class(kind.replace("/", "/msg/")).get_fields_and_field_types()
                if "/" in kind
                else {}
            )
