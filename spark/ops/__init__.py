"""
What operators look at and run beside the daemon.
"""
