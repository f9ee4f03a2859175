"""Processes that read topics; one module for each, one process each."""
