"""docs/reference.md is what the nodes themselves say, and everything on it has a meaning.

The command itself: test_readme_commands.py.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def nodes(process_domain_id):
    from mtopt_bringup.reference.ros_inventory import read_nodes

    return list(read_nodes())


def test_the_page_is_what_the_nodes_say(nodes):
    from mtopt_bringup.reference.page import reference_page

    page = (ROOT / "docs/reference.md").read_text()
    assert page == reference_page(nodes), "run `mtopt reference --out docs/reference.md`"


def test_everything_has_a_meaning_and_no_meaning_is_left_over(nodes):
    from mtopt_bringup.reference.meanings import meaning, named
    from mtopt_bringup.reference.page import endpoints

    found = {(name, kind) for _, name, kind in endpoints(nodes)}
    assert [name for name, kind in found if not meaning(name, kind)] == []
    assert named() <= {name for name, _ in found}
    lacking = [f"{n.name}: {p.name}" for n in nodes for p in n.parameters if not p.meaning]
    assert lacking == [], "its words stand in `Attributes:` of the node's parameters"


def test_every_node_of_the_package_folders_is_on_it(nodes):
    """But for those of a command's own, which visit a cell."""
    files = {path.stem for path in ROOT.glob("src/*/mtopt_*/**/*_node.py")}
    visitors = {
        "cell_monitor_node", "client_node", "end_watch_node", "loopback_node", "mover_node",
        "probe_node",
    }  # fmt: skip
    assert files - visitors == {node.name for node in nodes}
