"""Recorded examples: every record ever released still validates and decodes (F5)."""

import json

import pytest
from jsonschema import Draft202012Validator

from spark.codec import decode, encode
from spark.events import EVENT_TYPES, Event
from spark.schemas import DIRECTORY, EXAMPLES, Json, examples_name, file_name, schema_of


def recorded(kind: type[Event]) -> list[bytes]:
    return (DIRECTORY / examples_name(kind)).read_bytes().splitlines()


LINES = [
    pytest.param(kind, line, id=f"{kind.__name__}-{number}")
    for kind in EVENT_TYPES
    for number, line in enumerate(recorded(kind))
]


@pytest.mark.parametrize(("kind", "line"), LINES)
def test_an_example_validates(kind: type[Event], line: bytes) -> None:
    """A released record satisfies the schema of its version, today's included."""
    Draft202012Validator(schema_of(kind)).validate(json.loads(line))


@pytest.mark.parametrize(("kind", "line"), LINES)
def test_an_example_decodes_to_its_own_bytes(kind: type[Event], line: bytes) -> None:
    """Fault K9: a released record decodes, to its own type, and encodes to the same bytes."""
    found = decode(line)
    assert type(found) is kind
    assert encode(found) == line


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=file_name)
def test_every_event_has_an_example_of_each_null(kind: type[Event]) -> None:
    """Each type is recorded, and each nullable field of it with a value and without one."""
    values = [json.loads(line) for line in recorded(kind)]
    assert values, f"add a line: encode() an event to {examples_name(kind)}"
    for field, schema in schema_of(kind)["properties"].items():
        if {"type": "null"} in schema.get("anyOf", ()):
            assert {value[field] is None for value in values} == {True, False}, field


def test_no_example_is_of_an_unknown_type() -> None:
    """A type may not go while its records are still there."""
    known = {examples_name(kind) for kind in EVENT_TYPES}
    assert {f"{EXAMPLES}/{path.name}" for path in (DIRECTORY / EXAMPLES).iterdir()} <= known


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=file_name)
def test_a_schema_refuses_what_the_codec_refuses(kind: type[Event]) -> None:
    """A field too many, too few or of another type is invalid by the schema alone."""
    validator = Draft202012Validator(schema_of(kind))
    good: Json = json.loads(recorded(kind)[0])
    assert not validator.is_valid(good | {"unknown": 1})
    for field in good:
        assert not validator.is_valid({key: good[key] for key in good if key != field}), field
        assert not validator.is_valid(good | {field: 0.5}), field
