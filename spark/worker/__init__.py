"""
How a process carries values between Kafka and one other thing.

Reading order: contract, fence, tenure, resume, loop.
"""
