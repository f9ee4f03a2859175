"""
Binance's habits that its documents leave open, or that a test wants otherwise: one switch each.

Source: rest-api.md "New order", "Query order"; the status of refused keys is nowhere stated.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is in force."""

    #: A client id is free again once its order was cancelled or has expired; the documents
    #: say so of a filled one alone. On, because that is how a second order can come to be.
    is_id_free_after_cancel: bool = True
    #: A refused key is answered 401, else 400.
    is_key_refusal_401: bool = True
    #: A new order is not found by a question for so long (-2013): the copy that is asked
    #: lags behind.
    query_lag_ms: int = 0
