"""
Makes broken input of good input: seeded, so that a case is named by its number alone.

JSON is taken apart into pairs and put together again, so that a key can come twice and a
number can be one that no float holds. Whatever is no JSON is mutated as bytes or as lines.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

#: How deep an endless nesting goes: beyond every decoder's own limit.
_DEEP: Final = 3_000
#: Also where decoders still follow, and what is made of their result may not.
_DEPTHS: Final = (_DEEP, 1_000, 500)
_LONG: Final = 70_000
_OPERATIONS_MAX: Final = 3
_PADDING_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Raw:
    """A token that stands in the text as it is, JSON or not."""

    text: str


@dataclass(slots=True)
class Pairs:
    """An object whose keys may come twice and in any order."""

    items: "list[tuple[str, Node]]" = field(default_factory=list)


Node = Pairs | list["Node"] | str | int | bool | Raw | None

#: Numbers as no reader wants them.
NUMBERS: Final = tuple(
    Raw(text)
    for text in (
        "0", "-0", "-0.0", "-1", "1", "2", "7", "1.5", "1e999", "-1e999", "1e-999", "NaN",
        "Infinity", "-Infinity", "1E+5", "01", "1.", ".5", "+1", "0x10", "1_000",
        "2147483648", "4294967296", "9007199254740993", "9223372036854775807",
        "-9223372036854775808", "9223372036854775808", "18446744073709551615",
        "18446744073709551616", "1" * 30, "1" * 400, "9" * 5_000, "0." + "3" * 400, "1e400",
    )
)  # fmt: skip
#: Amounts as text.
AMOUNTS: Final = (
    "0", "-0", "0.0", "-1", "1", "1.0", "00.1", "1.", ".1", "+1", " 1", "1 ", "1,5", "1e5",
    "1E+5", "1e-400", "1e999", "NaN", "sNaN", "Infinity", "-Infinity", "0x1", "١٢", "1\n",
    "0.00000000000000000000000000001", "0." + "0" * 40 + "1", "9" * 20, "9" * 29, "9" * 31,
    "9" * 400, "1." + "1" * 400, "",
)  # fmt: skip
#: Texts that some reader may take for something else.
TEXTS: Final = (
    "", " ", "\x00", "\x1b[2J", "a\tb\nc\rd", "\u2028", "\ufeff", "\ufffd", "\u202eabc", "₺",
    "\U0001f600", "\ud800", "a\udfff", "ﬀ", "İ", "../../etc/passwd", "/dev/zero", "' OR 1=1 --",
    "\\N", "\\.", "{}", "[]", "null", "true", "%00", "&symbol=X", "{0}", "%s%n", "a" * 300,
    "é" * 500, "\x01" * 500, "x" * _LONG, "BTCUSDT", "btcusdt", "op-local", "guardrail", "live",
)  # fmt: skip


def parsed(sample: bytes) -> Node | None:
    """Take JSON apart; None for anything else, and for a bare null."""
    try:
        found: Node = json.loads(
            sample, object_pairs_hook=Pairs, parse_float=Raw, parse_constant=Raw
        )
    except (ValueError, RecursionError):
        return None
    return found


def written(node: Node, *, is_sorted: bool = False) -> bytes:
    """Write a tree; what UTF-8 has no bytes for is escaped, as JSON allows."""
    parts: list[str] = []
    _write(node, parts, is_sorted=is_sorted)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _write(node: Node, parts: list[str], *, is_sorted: bool) -> None:
    match node:
        case Raw():
            parts.append(node.text)
        case Pairs():
            pairs = sorted(node.items, key=lambda pair: pair[0]) if is_sorted else node.items
            parts.append("{")
            for number, (name, value) in enumerate(pairs):
                parts.append(("," if number else "") + _quoted(name) + ":")
                _write(value, parts, is_sorted=is_sorted)
            parts.append("}")
        case list():
            parts.append("[")
            for number, value in enumerate(node):
                parts.append("," if number else "")
                _write(value, parts, is_sorted=is_sorted)
            parts.append("]")
        case str():
            parts.append(_quoted(node))
        case _:
            parts.append(json.dumps(node))


def _quoted(text: str) -> str:
    is_half = any("\ud800" <= char <= "\udfff" for char in text)
    return json.dumps(text, ensure_ascii=is_half)


class Mutator:
    """
    One case's chance.

    Args:
        random: seeded with the case's name.
        samples: what parts of other samples are taken from.

    """

    def __init__(self, random: Random, samples: Sequence[bytes] = ()) -> None:
        self.random = random
        self._samples = samples

    def case(self) -> bytes:
        """Make a case of one of the samples; sometimes it is a sample as it stands."""
        sample = self.random.choice(self._samples)
        return sample if self.random.random() < 0.02 else self.mutated(sample)

    def mutated(self, sample: bytes, *, is_sorted: bool | None = None) -> bytes:
        """
        Break a sample in one to three places.

        Args:
            is_sorted: whether keys are written in order; None lets chance decide.

        """
        tree = parsed(sample)
        random = self.random
        if tree is None or random.random() < 0.3:
            return self.broken_bytes(sample)
        for _ in range(random.randint(1, _OPERATIONS_MAX)):
            tree = self.broken_tree(tree)
        is_sorted = random.random() < 0.7 if is_sorted is None else is_sorted
        body = written(tree, is_sorted=is_sorted)
        return self.broken_bytes(body) if random.random() < 0.05 else body

    def broken_bytes(self, sample: bytes) -> bytes:
        """Break bytes, whatever they mean."""
        return self.random.choice(_BYTE_OPERATIONS)(self.random, sample)

    def broken_tree(self, tree: Node) -> Node:
        """Break one place of a tree."""
        places = list(_places(tree))
        if not places:
            return self.hostile(tree)
        holder, at = self.random.choice(places)
        operation = self.random.choice(_TREE_OPERATIONS)
        operation(self, holder, at)
        return tree

    def hostile(self, value: Node) -> Node:  # noqa: PLR0911  (a case for each type)
        """Give a value in the place of another: mostly one that looks like it."""
        random = self.random
        if random.random() < 0.25:
            return self.anything()
        match value:
            case bool() | None:
                return random.choice((True, False, None, 0, 1, "true"))
            case int():
                near: tuple[Node, ...] = (
                    value + 1,
                    value - 1,
                    -value,
                    value * 1_000,
                    value // 1_000,
                    str(value),
                )
                return random.choice([*near, *NUMBERS])
            case Raw():
                return random.choice(NUMBERS)
            case str():
                return self._text(value)
            case Pairs():
                nodes: list[Node] = [Pairs(), [], [value], None, "{}"]
                return random.choice(nodes)
            case _:
                lists: list[Node] = [[], [*value, *value], [value], Pairs(), None]
                return random.choice(lists)

    def anything(self) -> Node:
        """Give a value of any type."""
        random = self.random
        choice = random.randrange(12)
        if choice == 0:
            deep = random.choice(_DEPTHS)
            if random.random() < 0.5:
                return Raw("[" * deep + "]" * deep)
            return Raw('{"a":' * deep + "0" + "}" * random.choice((deep, 0)))
        if choice == 1 and self._samples:
            other = parsed(random.choice(self._samples))
            places = list(_places(other)) if other is not None else []
            return _value(*random.choice(places)) if places else other
        pools: tuple[Sequence[Node], ...] = (
            NUMBERS, AMOUNTS, TEXTS, (None, True, False, [], Pairs(), [[]], [None]),
        )  # fmt: skip
        return random.choice(random.choice(pools))

    def _text(self, value: str) -> Node:
        random = self.random
        if value.strip("-").replace(".", "", 1).isdigit() and random.random() < 0.6:
            return random.choice(AMOUNTS)
        changed = (
            value + random.choice(TEXTS), value[:-1], value.upper(), value.lower(), value * 2,
            value[::-1], " " + value, value + "\n",
        )  # fmt: skip
        return random.choice((random.choice(TEXTS), random.choice(changed)))


Holder = Pairs | list[Node]


def _places(tree: Node) -> list[tuple[Holder, int]]:
    """List every place of a tree where a value stands."""
    found: list[tuple[Holder, int]] = []
    waiting: list[Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Pairs):
            found += [(node, at) for at in range(len(node.items))]
            waiting += [value for _, value in node.items]
        elif isinstance(node, list):
            found += [(node, at) for at in range(len(node))]
            waiting += node
    return found


def _value(holder: Holder, at: int) -> Node:
    return holder.items[at][1] if isinstance(holder, Pairs) else holder[at]


def _put(holder: Holder, at: int, value: Node) -> None:
    if isinstance(holder, Pairs):
        holder.items[at] = (holder.items[at][0], value)
    else:
        holder[at] = value


def _replace(mutator: Mutator, holder: Holder, at: int) -> None:
    _put(holder, at, mutator.hostile(_value(holder, at)))


def _drop(mutator: Mutator, holder: Holder, at: int) -> None:
    del mutator
    if isinstance(holder, Pairs):
        del holder.items[at]
    else:
        del holder[at]


def _double(mutator: Mutator, holder: Holder, at: int) -> None:
    del mutator
    if isinstance(holder, Pairs):
        holder.items.insert(at, holder.items[at])
    else:
        holder.insert(at, holder[at])


def _rename(mutator: Mutator, holder: Holder, at: int) -> None:
    if not isinstance(holder, Pairs):
        _replace(mutator, holder, at)
        return
    random, (name, value) = mutator.random, holder.items[at]
    names = [*[one for one, _ in holder.items], name.upper(), "v", "type", "__class__", ""]
    holder.items[at] = (random.choice((random.choice(names), random.choice(TEXTS))), value)


def _add(mutator: Mutator, holder: Holder, at: int) -> None:
    value = mutator.anything()
    if isinstance(holder, Pairs):
        holder.items.insert(at, (mutator.random.choice((*TEXTS, "id", "v", "type")), value))
    else:
        holder.insert(at, value)


def _swap(mutator: Mutator, holder: Holder, at: int) -> None:
    count = len(holder.items if isinstance(holder, Pairs) else holder)
    other = mutator.random.randrange(count)
    mine, its = _value(holder, at), _value(holder, other)
    _put(holder, at, its)
    _put(holder, other, mine)


def _shuffle(mutator: Mutator, holder: Holder, at: int) -> None:
    del at
    if isinstance(holder, Pairs):
        mutator.random.shuffle(holder.items)
    else:
        mutator.random.shuffle(holder)


_TREE_OPERATIONS: Final[tuple[Callable[[Mutator, Holder, int], None], ...]] = (
    _replace, _replace, _replace, _replace, _drop, _double, _rename, _add, _swap, _shuffle,
)  # fmt: skip


def _flip(random: Random, sample: bytes) -> bytes:
    made = bytearray(sample or b"\x00")
    for _ in range(random.randint(1, 4)):
        made[random.randrange(len(made))] ^= 1 << random.randrange(8)
    return bytes(made)


def _cut(random: Random, sample: bytes) -> bytes:
    return sample[: random.randrange(len(sample) + 1)]


def _cut_front(random: Random, sample: bytes) -> bytes:
    return sample[random.randrange(len(sample) + 1) :]


def _remove(random: Random, sample: bytes) -> bytes:
    start = random.randrange(len(sample) + 1)
    return sample[:start] + sample[start + random.randint(1, 8) :]


def _repeat(random: Random, sample: bytes) -> bytes:
    return sample * random.randint(2, 4)


def _insert(random: Random, sample: bytes) -> bytes:
    at = random.randrange(len(sample) + 1)
    return sample[:at] + random.choice(_INSERTS) + sample[at:]


def _noise(random: Random, sample: bytes) -> bytes:
    del sample
    return random.randbytes(random.randrange(300))


def _blanks(random: Random, sample: bytes) -> bytes:
    return b" " * random.randrange(_PADDING_MAX) + sample + b"\n" * random.randrange(_PADDING_MAX)


def _lines(random: Random, sample: bytes) -> bytes:
    lines = sample.split(b"\n")
    random.shuffle(lines)
    return b"\n".join(lines[: random.randint(1, len(lines))] + lines[:1])


_INSERTS: Final = (
    b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b'"', b"\\", b"{", b"[", b",",
    b":", b"\n", b"\r\n", b"\x1b[2J", b"NaN", b"1e999", b"9" * 400, b"[" * _DEEP, b"\\u0000",
    b"\\ud800", b"x" * _LONG, b"'", b"#", b"=", b"$(id)",
)  # fmt: skip
_BYTE_OPERATIONS: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (
    _flip, _flip, _cut, _cut_front, _remove, _repeat, _insert, _insert, _noise, _blanks, _lines,
)  # fmt: skip
