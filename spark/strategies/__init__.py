"""
Strategies: they see the market and write intents, nothing else.
"""
