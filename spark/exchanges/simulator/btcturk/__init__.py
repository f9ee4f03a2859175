"""
BTCTurk's wire: REST v1 and v2, candles, one WebSocket for everything.
"""
