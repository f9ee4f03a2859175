"""Measurements of the whole pipeline beside its raw floor, as commands."""
