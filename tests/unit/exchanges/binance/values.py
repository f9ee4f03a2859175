"""
What an exchange might put anywhere.
"""

from typing import Final

from hypothesis import strategies as st

_LEAVES: Final = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["1.5", "-1", "NEW", "BUY", "FILLED", "TRADE", "executionReport", ""])
)
_NAMES: Final = st.text(max_size=3) | st.sampled_from(
    ["event", "e", "B", "balances", "status", "result", "error", "code", "data", "id", "rateLimits"]
)
ANY_JSON: Final = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
