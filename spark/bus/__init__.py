"""
The log as a port, with two implementations that pass one contract suite.
"""
