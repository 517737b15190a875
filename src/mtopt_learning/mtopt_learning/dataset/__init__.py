"""Bags in, packed training cache out."""
