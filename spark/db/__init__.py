"""
PostgreSQL: the pool, the migrations and every named query.

Tables are projections of the log (design.md); what stands in them can be made again.
"""
