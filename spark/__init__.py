"""
Spark: an event-driven trading daemon on Apache Kafka.

A decision is a value computed by a pure function; a process is a loop that
carries values between Kafka and one other thing; the log is the only truth.
Start reading at runbook/life-of-an-order.md.
"""

__version__ = "0.1.0"
