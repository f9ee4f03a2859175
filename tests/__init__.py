"""
Tests: unit mirrors spark/ file for file; integration runs real Kafka and PostgreSQL.
"""
