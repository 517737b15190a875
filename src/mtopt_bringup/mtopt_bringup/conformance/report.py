"""Runs the suite for a command: a line a check while it runs, then the object to print."""

from __future__ import annotations

import sys

from mtopt_bringup.conformance.backend import BACKENDS
from mtopt_bringup.conformance.check import Finding, as_result
from mtopt_bringup.conformance.suite import check_backend


def run(name: str) -> dict:
    """Checks the backend of this name; exit code 1 where one check failed."""
    findings = check_backend(BACKENDS[name], _tell)
    failed = [finding.name for finding in findings if not finding.ok]
    sys.stderr.write(
        f"{name}: {len(findings) - len(failed)} of {len(findings)} checks passed"
        + (f"; failed: {', '.join(failed)}\n" if failed else "\n")
    )
    return {"backend": name, **as_result(findings)}


def _tell(finding: Finding) -> None:
    sys.stderr.write(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name:24} {finding.detail}\n")
