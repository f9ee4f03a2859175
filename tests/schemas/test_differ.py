"""The differ recognises each breaking change and lets the others pass."""

from copy import deepcopy
from typing import Any

import pytest

from spark.events import EVENT_TYPES, OrderFilled, PlaceOrder
from spark.schemas import file_name, schema_of
from tests.schemas.differ import Comparison, Schema

BASE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "side": {"$ref": "#/$defs/Side"},
        "part": {"$ref": "#/$defs/Part"},
        "price": {"anyOf": [{"type": "string", "pattern": "^[0-9]+$"}, {"type": "null"}]},
        "note": {"type": "string", "minLength": 1, "maxLength": 8},
        "rows": {
            "type": "array",
            "items": {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        },
        "seen": {"type": "object", "additionalProperties": {"type": "integer"}},
        "v": {"const": 1, "type": "integer"},
    },
    "required": ["side", "part", "price", "rows", "seen", "v"],
    "$defs": {
        "Side": {"type": "string", "enum": ["buy", "sell"]},
        "Part": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"epoch": {"type": "integer"}},
            "required": ["epoch"],
        },
    },
}


def changed(path: str, value: Any) -> Schema:  # noqa: ANN401  (any JSON value)
    """The base with the value at a path replaced, or removed where the value is None."""
    made = deepcopy(BASE)
    *parents, last = path.split("/")
    at: Any = made
    for step in parents:
        at = at[int(step) if isinstance(at, list) else step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made


def breaks(new: Schema, *, is_command: bool = False) -> list[str]:
    return Comparison(BASE, new, is_command=is_command).breaks()


ROW = "properties/rows/items"


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("properties/note", None, "note: removed"),
        ("properties/note/type", "integer", "note: retyped from string to integer"),
        ("properties/note/minLength", 2, "note: minLength tightened from 1 to 2"),
        ("properties/note/maxLength", 7, "note: maxLength tightened from 8 to 7"),
        ("properties/note/pattern", "^a", "note: pattern changed from None to ^a"),
        ("properties/note/format", "date", "note: format changed from None to date"),
        ("properties/note/enum", ["a"], "note: enum appeared or went"),
        ("properties/note/neverSeen", 1, "note: neverSeen changed from None to 1"),
        ("properties/v/const", 2, "v: const changed from 1 to 2"),
        ("properties/v/minimum", 0, "v: minimum tightened from None to 0"),
        ("properties/price", {"type": "string"}, "price: anyOf has 0 parts, had 2"),
        ("properties/price/anyOf/0/pattern", "^.$", "price[0]: pattern changed"),
        (f"{ROW}/prefixItems", [{"type": "integer"}], "rows[]: prefixItems has 1 parts, had 2"),
        (f"{ROW}/prefixItems/1/type", "integer", "rows[][1]: retyped from string to integer"),
        (f"{ROW}/minItems", 3, "rows[]: minItems tightened from 2 to 3"),
        ("properties/rows/items", None, "rows: items appeared or went"),
        ("properties/seen/additionalProperties/type", "string", "seen.*: retyped"),
        ("properties/seen/additionalProperties", False, "seen: additionalProperties changed"),
        ("additionalProperties", True, "record: additionalProperties changed from False to True"),
        ("$defs/Side/enum", ["buy"], "side: enum lost sell"),
        ("$defs/Side/enum", None, "side: enum appeared or went"),
        ("$defs/Part/properties/epoch/type", "string", "part.epoch: retyped"),
        ("$defs/Part/properties/epoch", None, "part.epoch: removed"),
        ("required", ["side", "part", "price", "rows", "seen"], "v: may now be missing"),
        ("required", [*BASE["required"], "note"], "note: became required"),
    ],
)
def test_each_breaking_change_is_named(path: str, value: object, found: str) -> None:
    """
    Removing, retyping, narrowing, requiring, releasing, opening: each alone is reported.

    Fault K9.
    """
    named = breaks(changed(path, value))
    assert any(one.startswith(found) for one in named), named


def test_a_renamed_field_is_a_removed_one() -> None:
    """A rename shows as what it is to a reader: one field gone, whatever came instead."""
    new = deepcopy(BASE)
    new["properties"]["remark"] = new["properties"].pop("note")
    assert breaks(new) == ["note: removed"]


def test_an_added_required_field_breaks() -> None:
    """Records written before it do not have it."""
    new = deepcopy(BASE)
    new["properties"]["fee"] = {"type": "string"}
    new["required"].append("fee")
    assert breaks(new) == ["fee: added as required"]


def test_an_added_optional_field_breaks_commands_alone() -> None:
    """Events may grow optional fields; a command is closed, its new field is a new version."""
    new = changed("properties/fee", {"type": "string"})
    assert breaks(new) == []
    assert breaks(new, is_command=True) == ["fee: added to a command, which is closed"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$defs/Side/enum", ["buy", "sell", "short"]),
        ("$defs/Side/description", "Which way."),
        ("properties/note/description", "Said by a person."),
        ("properties/note/maxLength", 9),
        ("properties/note/maxLength", None),
        ("properties/note/minLength", 0),
        ("title", "Another"),
    ],
)
def test_widening_and_words_pass(path: str, value: object) -> None:
    """An enum may grow, a bound may loosen, words may change."""
    assert breaks(changed(path, value)) == []


def test_a_part_may_move_to_another_name() -> None:
    """The names under $defs are ours alone: only what they stand for is compared."""
    new = deepcopy(BASE)
    new["$defs"]["Way"] = new["$defs"].pop("Side")
    new["properties"]["side"] = {"$ref": "#/$defs/Way"}
    assert breaks(new) == []


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=file_name)
def test_every_event_is_compatible_with_itself(kind: Any) -> None:  # noqa: ANN401
    """The differ understands all that the generator writes."""
    assert Comparison(schema_of(kind), schema_of(kind), is_command=True).breaks() == []


def test_two_real_events_differ() -> None:
    """On real schemas too it names fields, so that a person sees at once what went wrong."""
    found = Comparison(schema_of(PlaceOrder), schema_of(OrderFilled), is_command=False).breaks()
    assert "ttl_ns: removed" in found
    assert "commission: added as required" in found
    assert "type: const changed from place_order to order_filled" in found
