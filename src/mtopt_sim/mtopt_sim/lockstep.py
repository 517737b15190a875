"""Lockstep: the cell's clock ticks when every robot that takes part has sent its command.

Plain Python on numbers: wall time is an argument, ticks are integers, nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class _Robot:
    first_tick: int = 0  # from which on its station has stood still
    shown_tick: int = 0
    commanded: bool = False
    waited_for: bool = True
    has_spoken: bool = False


class Lockstep:
    """Which stations may advance, and who is waited for.

    A station advances only by its own command, so what one robot does, or how slow it is, never
    changes another's trajectory. A robot that stays silent for `timeout_s` is no longer waited
    for: its station stands still while the cell's clock goes on. It is waited for again from its
    next command on, which may answer any observation that it was shown of its still station.

    Args:
        robots: Names of all robots of the cell.
        now_s: Wall time.
        timeout_s: Silence after which a robot is no longer waited for.
        start_timeout_s: The same before its first command: processes need time to start.
    """

    def __init__(
        self, robots: Iterable[str], now_s: float, timeout_s: float, start_timeout_s: float
    ):
        self.tick = 0
        self._robots = {name: _Robot() for name in robots}
        self._timeout_s = timeout_s
        self._start_timeout_s = start_timeout_s
        self._tick_began_s = now_s

    def show(self, robot: str) -> None:
        """The robot is shown the observation of the present tick."""
        self._robots[robot].shown_tick = self.tick

    def shown(self, robot: str) -> int:
        """The tick whose observation the robot was shown last."""
        return self._robots[robot].shown_tick

    def command(self, robot: str, tick: int) -> bool:
        """A robot's command that answers the observation of `tick`.

        False where it is not the one that is expected: it answers an observation from before its
        station last moved, or none that was shown, or is the second one.
        """
        state = self._robots[robot]
        if not state.first_tick <= tick <= state.shown_tick or state.commanded:
            return False
        state.commanded = state.waited_for = state.has_spoken = True
        return True

    def leave(self, robot: str) -> bool:
        """The robot is gone (its publisher vanished); True where it was waited for until now.

        A command that it left behind is still carried out. One that never spoke is starting up.
        """
        state = self._robots[robot]
        gone = state.waited_for and state.has_spoken and not state.commanded
        if gone:
            state.waited_for = False
        return gone

    def ready(self, now_s: float) -> tuple[str, ...]:
        """The robots whose stations advance now, or () while somebody is waited for.

        The caller advances those stations by one control period, then calls `advanced`.
        """
        silent_s = now_s - self._tick_began_s
        for state in self._robots.values():
            limit_s = self._timeout_s if state.has_spoken else self._start_timeout_s
            if not state.commanded and silent_s > limit_s:
                state.waited_for = False
        if any(s.waited_for and not s.commanded for s in self._robots.values()):
            return ()
        return tuple(name for name, s in self._robots.items() if s.commanded)

    def advanced(self, now_s: float) -> None:
        """The stations of `ready` have advanced: the next tick begins."""
        self.tick += 1
        self._tick_began_s = now_s
        for state in self._robots.values():
            if state.commanded:
                state.first_tick, state.commanded = self.tick, False

    def restart(self, now_s: float) -> None:
        """The wait for the first commands begins now."""
        self._tick_began_s = now_s

    def silent(self) -> tuple[str, ...]:
        """Robots that have not commanded in this tick: shown the observation again in a while."""
        return tuple(name for name, s in self._robots.items() if not s.commanded)

    def waited_for(self) -> tuple[str, ...]:
        """Robots that hold the clock now."""
        return tuple(n for n, s in self._robots.items() if s.waited_for and not s.commanded)

    def away(self) -> tuple[str, ...]:
        """Robots that are not waited for."""
        return tuple(name for name, s in self._robots.items() if not s.waited_for)
