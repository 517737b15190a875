"""Bring-up of a robot: its folder, its streams, its cameras, its first motions."""
