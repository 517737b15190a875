"""Checkpoints: a folder of weights, configuration, specs and tasks that refuses to mismatch."""
