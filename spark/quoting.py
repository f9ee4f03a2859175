"""
What somebody else wrote, as far as a reason may repeat it: one short line. Pure.

A reason goes to terminals, logs and dead letters, so however long the input is, or deep,
its reason is neither.
"""

from typing import Final

#: Characters of a value that a reason shows.
SHOWN_MAX: Final = 60
#: Beyond it Python itself may refuse to write a number.
_NUMBER_BITS_MAX: Final = 1_000


def shown(value: object, chars_max: int = SHOWN_MAX) -> str:
    """
    Quote a value, cut where it is long.

    A list or an object is only called one: written out, it may be deeper than Python goes.
    """
    match value:
        case str():
            text = value
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case int() if value.bit_length() > _NUMBER_BITS_MAX:
            return "a number without end"
        case _:
            text = str(value)
    return repr(text) if len(text) <= chars_max else f"{text[:chars_max]!r}…"


def one_line(text: str, chars_max: int) -> str:
    """
    Cut words of another part, in which input may stand, to a line of so many characters.

    The middle goes: parsers say at the end where it was.
    """
    line = "".join(char if char.isprintable() else "?" for char in text)
    half = chars_max // 2
    return line if len(line) <= chars_max else f"{line[:half]}…{line[-half:]}"
