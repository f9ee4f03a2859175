"""Processes that bring the world onto topics."""
