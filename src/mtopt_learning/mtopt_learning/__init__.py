"""Bags in, policies out."""
