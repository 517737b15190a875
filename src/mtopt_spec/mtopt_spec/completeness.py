"""When a recorded episode is complete: the one rule of the recorder and of the reader."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class RecordedStamps:
    """What there is of an episode of `steps` control steps; all stamps in ns.

    An observation is what was seen when a step's action was commanded, and once more at the end:
    its stamp is the command's, and the end's. Where time does not wait for a policy there may be
    ticks between them; they are recorded and belong to no step.

    Attributes:
        steps: Control steps that the end tells.
        end: Stamp of the end.
        period: Control period.
        commanded, sent: Step to the stamp of its action.
        tool_states: Stamps of the tool states.
        pictures: Camera to the stamps of its pictures.
    """

    steps: int
    end: int
    period: int
    commanded: Mapping[int, int]
    sent: Mapping[int, int]
    tool_states: Collection[int]
    pictures: Mapping[str, Collection[int]]

    def observations(self) -> list[int]:
        """Stamps of the steps' observations that are known, and of the last one."""
        return [self.commanded[k] for k in range(self.steps) if k in self.commanded] + [self.end]

    def picture(self, camera: str, stamp: int) -> int | None:
        """Stamp of an observation's picture: not younger, and not a whole period older."""
        stamps = self.pictures[camera]
        if stamp in stamps:
            return stamp
        return max((s for s in stamps if stamp - self.period < s < stamp), default=None)

    def problem(self) -> str | None:
        """What keeps the episode from being complete, in words; None where it is complete."""
        lacking = self.lacking()
        if lacking:
            return ", ".join(f"{count} {what} missing" for what, count in lacking.items())
        if any(step >= self.steps for step in (*self.commanded, *self.sent)):
            return f"actions of more than its {self.steps} steps"
        if any(later <= earlier for earlier, later in pairwise(self.observations())):
            return "stamps that do not rise from step to step"
        return None

    def lacking(self) -> dict[str, int]:
        """What is missing, to how many messages of it."""
        observations = self.observations()
        counts = {
            "actions commanded": sum(k not in self.commanded for k in range(self.steps)),
            "actions sent": sum(k not in self.sent for k in range(self.steps)),
            "tool states": sum(stamp not in self.tool_states for stamp in observations),
        }
        for camera in self.pictures:
            counts[f"pictures of camera {camera}"] = sum(
                self.picture(camera, stamp) is None for stamp in observations
            )
        return {what: count for what, count in counts.items() if count}
