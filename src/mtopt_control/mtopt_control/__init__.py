"""The nodes that run a robot cell, and their cores."""
