"""The suite: what a simulator's files say, then what it does as a robot's counterpart."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mtopt_bringup.conformance.backend import Backend, running
from mtopt_bringup.conformance.check import Finding, expect, run_checks
from mtopt_bringup.conformance.descriptions import check_limits, check_mechanism, world_files
from mtopt_bringup.domain import domain_environment
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder


def check_backend(backend: Backend, tell: Callable[[Finding], None]) -> list[Finding]:
    """Runs every check of a backend.

    Args:
        backend: Its processes are started, twice, and ended.
        tell: Called with each finding as it comes.
    """
    robot = load_robot(worlds_robot_folder())
    files = [(f"mechanism of {path.stem}", partial(check_mechanism, path, robot))
             for path in world_files()]  # fmt: skip
    files += [(f"limits of {path.stem}", partial(check_limits, path, robot))
              for path in world_files()[:1]]  # fmt: skip
    findings = run_checks(files, tell)
    lacks = backend.missing()
    here = ("installed", lambda: _nothing_missing(backend, lacks))
    findings += run_checks([here], tell)
    if lacks:
        return findings
    return findings + _check_running(backend, robot, tell)


def _nothing_missing(backend: Backend, lacks: list[str]) -> str:
    expect(not lacks, f"backend {backend.name}", f"no {', no '.join(lacks)}", "all installed")
    return f"{backend.name} and its packages"


def _check_running(backend: Backend, robot, tell) -> list[Finding]:
    # rclpy is loaded only where something runs
    from mtopt_bringup.conformance import motion, ros_endpoints, ros_scene, seen, streams
    from mtopt_bringup.conformance.client_node import Client

    environment = domain_environment()
    os.environ.update(environment)
    domain_id = int(environment["ROS_DOMAIN_ID"])
    world = share_dir() / "worlds" / backend.options("").world
    rehearsals: list[motion.Rehearsal] = []

    def session(client: Client) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("topics", partial(ros_endpoints.check_topics, client)),
            ("services", partial(ros_endpoints.check_services, client)),
            ("rates", partial(streams.check_rates, client)),
            ("frames", partial(streams.check_frames, client)),
            ("units", partial(streams.check_units, client)),
            ("pictures", partial(streams.check_pictures, client)),
            ("calibration", partial(streams.check_calibration, client)),
            ("seen", partial(seen.check_seen, client)),
            ("tracking", partial(motion.check_tracking, client)),
            ("new scene", partial(ros_scene.check_new_scene, client)),
            ("refusals", partial(ros_scene.check_refusals, client)),
            ("bin reset", partial(ros_scene.check_bin, client)),
            ("labels", partial(ros_scene.check_labels, client)),
            ("stamps", partial(streams.check_stamps, client)),
        ]

    def rehearse(client: Client) -> str:
        rehearsals.append(motion.rehearse(client))
        if len(rehearsals) == 1:
            return f"{motion.STEPS} steps; the second run is compared with them"
        return motion.check_repeats(*rehearsals, backend)

    folder = Path(tempfile.mkdtemp(prefix="mtopt-doctor-"))
    findings: list[Finding] = []
    for run in ("first", "second"):
        with running(backend, folder / run, environment) as failure:
            with Client(backend, robot, world, domain_id, failure) as client:
                findings += run_checks([(f"{run} start", partial(_begin, client))], tell)
                if not findings[-1].ok:
                    return findings
                if run == "first":
                    checks = [("rehearsal", partial(rehearse, client)), *session(client)]
                else:
                    checks = [("determinism", partial(rehearse, client))]
                findings += run_checks(checks, tell)
    if all(finding.ok for finding in findings):
        shutil.rmtree(folder)  # else its logs are wanted
    return findings


def _begin(client) -> str:
    client.begin()
    return f"every topic speaks, time {client.now_s():.1f} s"
