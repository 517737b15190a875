"""Quality of service of what drivers publish."""

from __future__ import annotations

from rclpy.qos import QoSProfile, ReliabilityPolicy


def driver_qos(depth: int, *, reliable: bool = False) -> QoSProfile:
    """Of a subscription: best effort hears any driver, reliable loses nothing of reliable ones.

    Args:
        depth: Messages that may wait.
        reliable: Hear reliable drivers alone.
    """
    policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=depth, reliability=policy)
