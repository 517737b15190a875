"""Tipping the bin, so that the objects slide back into the picking area."""
