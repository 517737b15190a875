"""The programs in docs/bags.md run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mtopt_spec import bag_topics as topics

DOCS = (Path(__file__).parents[2] / "docs" / "bags.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("index", range(3))
def test_a_program_of_the_documentation_reads_a_bag(bag, index):
    path = next(bag.glob("*.mcap")) if "make_reader" in PROGRAMS[index] else bag
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS[index], str(path)], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "test-robot_1-0 2 True simulator",
        "test-robot_1-1 3 False simulator",
        "test-robot_1-2 4 True simulator",
    ], done.stderr


def test_every_topic_of_the_contract_is_described():
    every = [t for t in vars(topics).values() if isinstance(t, topics.BagTopic)]
    every += [topics.camera_image(c) for c in topics.CAMERA_NAMESPACES]
    every += [topics.camera_info(c) for c in topics.CAMERA_NAMESPACES]
    every += [topics.goal_image(c) for c in topics.CAMERA_NAMESPACES]
    assert len(every) >= 13
    for topic in every:
        package, _, name = topic.type.split("/")
        assert re.search(rf"^\| .*`{topic.name}`.* \| `{package}/{name}` \|", DOCS, re.M), topic
