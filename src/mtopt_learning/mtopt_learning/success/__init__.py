"""The success detector: one network that judges the last state of an episode for every task."""
