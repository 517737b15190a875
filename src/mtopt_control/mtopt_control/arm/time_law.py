"""The time law of a motion: rest to rest in one control period, and how to stop on the way.

A motion goes straight from its start to its end in joint space, all joints in proportion, so the
law is one of the share of the way, s, over the share of the period, tau. It is a double-S: seven
stretches of constant jerk. Displacement d in T takes a speed of 1.5 d/T, an acceleration of
6 d/T^2 and a jerk of 72 d/T^3. On every stretch s is a cubic, so a controller that interpolates
positions and velocities of their ends by cubic Hermite splines follows the law exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PEAK_VELOCITY = 1.5
PEAK_ACCELERATION = 6.0
PEAK_JERK = 72.0
_SHORTEST = 1.0 / 96.0
"""Of the period: no stretch of a braking is shorter, since whoever follows it has a finite rate."""


@dataclass(frozen=True)
class Knot:
    """Where a motion is.

    Attributes:
        tau: Share of the period since its start.
        way: Share of the displacement, in [0, 1].
        speed, acceleration: Derivatives of `way` by `tau`.
    """

    tau: float
    way: float
    speed: float
    acceleration: float

    def after(self, duration: float, jerk: float) -> Knot:
        """The knot at the end of a stretch of constant jerk."""
        t = duration
        return Knot(
            self.tau + t,
            self.way + (self.speed + (self.acceleration / 2.0 + jerk * t / 6.0) * t) * t,
            self.speed + (self.acceleration + jerk * t / 2.0) * t,
            self.acceleration + jerk * t,
        )


_STRETCHES = tuple(
    (duration / 12.0, sign * PEAK_JERK)
    for duration, sign in ((1, 1), (2, 0), (1, -1), (4, 0), (1, -1), (2, 0), (1, 1))
)


def _law() -> tuple[Knot, ...]:
    knots = [Knot(0.0, 0.0, 0.0, 0.0)]
    for duration, jerk in _STRETCHES:
        knots.append(knots[-1].after(duration, jerk))
    return tuple(knots)


LAW = _law()
"""The eight ends of the seven stretches."""
SLOWS_FROM = LAW[4].tau
"""From here on the motion slows down by itself."""


def at(tau: float) -> Knot:
    """Where the motion is at `tau`; outside [0, 1] it rests."""
    if tau <= 0.0:
        return LAW[0]
    if tau >= 1.0:
        return Knot(tau, 1.0, 0.0, 0.0)
    knot, (_, jerk) = next(
        (knot, stretch) for knot, stretch, after in zip(LAW, _STRETCHES, LAW[1:]) if tau < after.tau
    )
    return knot.after(tau - knot.tau, jerk)


def braking(tau: float) -> tuple[Knot, ...]:
    """The soonest stop of a motion that has come to `tau`, within the law's own peaks.

    It stays on the way. Where the motion slows down already, that is the soonest stop.

    Returns:
        The ends of the stretches that are left, the last one at rest; none where it rests.
    """
    if tau < 0.0 or tau >= 1.0:
        return ()
    if tau >= SLOWS_FROM:
        return tuple(knot for knot in LAW if knot.tau > tau)
    now, first = at(tau), ()
    if tau < 2.0 * _SHORTEST:  # hardly begun: nothing to brake yet
        now = at(4.0 * _SHORTEST)
        first = (now,)
    # The speed once the acceleration is gone, from which it slows down at `peak`.
    speed = now.speed + now.acceleration**2 / (2.0 * PEAK_JERK)
    peak, steady = math.sqrt(PEAK_JERK * speed), 0.0
    if peak > PEAK_ACCELERATION:
        peak = PEAK_ACCELERATION
        steady = speed / peak - peak / PEAK_JERK
        if steady < _SHORTEST:
            steady = _SHORTEST
            root = math.sqrt(steady**2 + 4.0 * speed / PEAK_JERK)
            peak = PEAK_JERK * (root - steady) / 2.0
    knots = [now.after((now.acceleration + peak) / PEAK_JERK, -PEAK_JERK)]
    if steady:
        knots.append(knots[-1].after(steady, 0.0))
    rest = knots[-1].after(peak / PEAK_JERK, PEAK_JERK)
    return (*first, *knots, Knot(rest.tau, rest.way, 0.0, 0.0))
