"""Time that goes back: a bag played again, a new simulator, a clock that is set back."""

from __future__ import annotations

from mtopt_spec.action import CONTROL_PERIOD_S

JUMP_S = 0.5 * CONTROL_PERIOD_S
"""A step back by more than this is a jump; a smaller one is a stamp's jitter."""


def is_ahead(stamp_s: float, now_s: float) -> bool:
    """True for a stamp that can only be of before time went back."""
    return stamp_s > now_s + JUMP_S


class StampWatch:
    """Sees streams whose stamps go back.

    Each stream is compared with itself alone: streams overtake each other.
    """

    def __init__(self):
        self._newest_s: dict[str, float] = {}

    def went_back(self, stream: str, stamp_s: float) -> bool:
        """Takes the next stamp of a stream; True where time went back before it."""
        newest_s = self._newest_s.get(stream, stamp_s)
        back = is_ahead(newest_s, stamp_s)
        if back:
            self.set_back(stamp_s)
        self._newest_s[stream] = stamp_s if back else max(newest_s, stamp_s)
        return back

    def set_back(self, now_s: float) -> bool:
        """Time is `now_s`: streams that are ahead begin anew. True where there was one."""
        ahead = [name for name, newest_s in self._newest_s.items() if is_ahead(newest_s, now_s)]
        for name in ahead:
            del self._newest_s[name]
        return bool(ahead)
