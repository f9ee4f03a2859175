"""
The jury: what a hurt stack left behind, held against the exchanges' own ledgers.
"""
