"""Actionable Models' experiment (arXiv 2104.07749): goal pictures, many learners, one table."""
