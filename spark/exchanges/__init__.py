"""
Exchanges: a port, one package of adapters per venue, and the simulators.
"""
