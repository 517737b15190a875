"""Impersonation (one episode, many tasks) and re-balanced sampling, as indices into the data."""
