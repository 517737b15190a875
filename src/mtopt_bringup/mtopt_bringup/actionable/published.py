"""The paper's own figures (Actionable Models, arXiv 2104.07749), on its robots and its data.

They were written down from memory, not read off the paper again: about so much.
"""

from __future__ import annotations

REACHED = {"grasp": 0.92, "rearrange": 0.74, "place": 0.66}
"""Kind of goal to success rate: instance grasping, rearranging, placing into a container."""

FINE_TUNED = {"lift-box": (0.00, 0.27), "lift-banana": (0.04, 0.20), "lift-milk": (0.01, 0.20)}
"""Task to success rate from scratch, and from the goal-conditioned model; little data."""
