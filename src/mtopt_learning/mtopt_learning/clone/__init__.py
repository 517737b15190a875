"""Behaviour cloning of successes: what the same data and towers give without a Q-function."""
