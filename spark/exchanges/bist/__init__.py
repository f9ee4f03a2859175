"""
Borsa Istanbul: when it trades. Orders go nowhere yet (spec B7).
"""
