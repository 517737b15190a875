"""`mtopt reference`: every topic, service, action and parameter, from the nodes themselves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mtopt_spec.whole_file import write_aside

SUMMARY = "Starts each node by itself and writes what it says, hears, serves and takes."
EXAMPLE = "mtopt reference --out docs/reference.md"


def add_arguments(parser) -> None:
    """Where the page goes."""
    parser.add_argument(
        "--out", type=Path, help="Markdown file to write; without it to standard error"
    )


def run(arguments) -> dict:
    """Makes the page; the object counts what is on it."""
    from mtopt_bringup.domain import domain_environment
    from mtopt_bringup.reference.page import endpoints, reference_page
    from mtopt_bringup.reference.ros_inventory import read_nodes

    os.environ.update(domain_environment())
    nodes = list(read_nodes())
    page = reference_page(nodes)
    if arguments.out is None:
        sys.stderr.write(page)
    else:
        write_aside(arguments.out, page.encode())
    return {
        "nodes": len(nodes),
        "endpoints": len(endpoints(nodes)),
        "parameters": sum(len(node.parameters) for node in nodes),
    }
