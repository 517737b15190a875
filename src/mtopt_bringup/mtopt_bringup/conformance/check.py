"""A check: a function that says what it found, or raises what does not conform."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from mtopt_spec.errors import InputError


class Nonconformity(Exception):
    """What was found is not what was expected."""


def expect(holds: bool, what: str, got: object, expected: object) -> None:
    """Raises where something does not hold.

    Raises:
        Nonconformity: It names the thing, what was found and what should be.
    """
    if not holds:
        raise Nonconformity(f"{what}: got {got}, expected {expected}")


@dataclass(frozen=True)
class Finding:
    """What a check came to; `detail` has figures, or what is wrong."""

    name: str
    ok: bool
    detail: str


def run_checks(
    checks: Iterable[tuple[str, Callable[[], str]]],
    tell: Callable[[Finding], None],
    broken: tuple[type[BaseException], ...] = (),
) -> list[Finding]:
    """Runs all checks, whatever the earlier ones found.

    Args:
        checks: Name and function of each.
        tell: Called with each finding as it comes.
        broken: What else may break a check and is a finding, too, not an end.
    """
    findings = []
    for name, check in checks:
        try:
            finding = Finding(name, True, check())
        except (Nonconformity, InputError) as error:
            finding = Finding(name, False, str(error))
        except broken as error:
            finding = Finding(name, False, f"{type(error).__name__}: {error}")
        findings.append(finding)
        tell(finding)
    return findings


def as_result(findings: Iterable[Finding]) -> dict:
    """The object that a command prints; exit code 1 where a check failed."""
    rows = [asdict(finding) for finding in findings]
    ok = all(row["ok"] for row in rows)
    return {"checks": rows, "ok": ok, "exit_code": 0 if ok else 1}
