"""
The venue that exists on paper: it fills orders against the live market and sends nothing.
"""
