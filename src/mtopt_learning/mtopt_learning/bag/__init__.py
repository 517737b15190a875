"""Bags in, episodes out."""
