"""Policies: random, scripted, and the Q-function, behind one interface."""
