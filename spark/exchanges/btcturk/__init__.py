"""
BTCTurk | Kripto: signing and wire formats (pure), and the clients that do the I/O.
"""
