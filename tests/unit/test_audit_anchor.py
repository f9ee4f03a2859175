"""
A file of anchors and receipts, whatever stands in it.
"""

import pytest

from spark.audit_anchor import read_note, read_outside
from spark.errors import IntegrityError, MalformedError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"checkpoint":"","first":18446744073709551616,"heads":[],"offset":1,"type":"anchor","v":1}',
        (
            b'{"at_ns":1,"root":"r","signature":"","size":-9223372036854775809,"type":"receipt",'
            b'"v":1,"witness":"w"}'
        ),
        b'{ "at_ns":1,"root":"r","signature":"","size":1,"type":"receipt","v":1,"witness":"w"}',
        b"\xff",
    ],
    ids=["empty", "cut", "list", "too big", "too small", "blanks", "no text"],
)
def test_h5_a_line_that_is_none_is_named_with_its_reason(body: bytes) -> None:
    """H5: no line of the file ends a verification without saying which one it was."""
    with pytest.raises(MalformedError, match=r"\w"):
        read_note(body)
    with pytest.raises(IntegrityError, match=r"^anchors, line 1: "):
        read_outside([body], lambda *_: True)
