"""
Binance spot on the wire: REST, market streams, filters, limits, error codes.
"""
