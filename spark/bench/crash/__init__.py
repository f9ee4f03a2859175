"""
The crash drill: a stack is hurt under load, round after round, and judged.
"""
