"""
Binance spot: signing and wire formats (pure), and the client that does the I/O.
"""
