"""Kafka, PostgreSQL and their secrets, from Python wheels and Kafka's own jars."""
