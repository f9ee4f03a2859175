"""The files in `schemas/` are what the code says, valid, and complete."""

import json
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from spark.codec import TYPE_NAMES, decimal_text
from spark.events import EVENT_TYPES, Event
from spark.keys import TAG_KEYS, tag_key
from spark.schemas import (
    ASYNCAPI,
    DECIMAL_PATTERN,
    DIRECTORY,
    TAGGED_FOR,
    Json,
    asyncapi,
    file_name,
    files,
    schema_of,
)
from spark.topics import BY_NAME, PRINCIPALS, TOPICS, readable_by, writable_by

DECIMALS = Draft202012Validator({"type": "string", "pattern": DECIMAL_PATTERN})


@pytest.mark.parametrize("name", sorted(files()))
def test_a_committed_contract_is_the_generated_one(name: str) -> None:
    """A change of an event or a topic shows in the contracts of the same commit (F5)."""
    found = (DIRECTORY / name).read_text(encoding="utf-8")
    assert found == files()[name], "run python -m spark.schemas and read the difference"


def test_there_is_no_other_contract() -> None:
    """A file that nothing generates would be believed and would be wrong."""
    assert {path.name for path in DIRECTORY.iterdir() if path.is_file()} == files().keys()


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=file_name)
def test_a_schema_is_a_closed_draft_2020_12_schema(kind: type[Event]) -> None:
    """Each schema is itself valid, and each object in it closed with every field required."""
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    for part in (schema, *schema.get("$defs", {}).values()):
        if part["type"] == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == sorted(part["properties"])
        assert part["description"]


def test_fields_are_described_by_their_comments() -> None:
    """A field's own comment wins; without one, that of its type speaks."""
    fields = schema_of(EVENT_TYPES[2])["properties"]
    assert fields["quantity"]["description"] == "In the base asset."
    assert fields["symbol"]["description"].startswith("The venue's own symbol")


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_the_pattern_takes_what_the_codec_writes(value: Decimal) -> None:
    """Every decimal that can be encoded satisfies the pattern of the contracts."""
    try:
        text = decimal_text(value)
    except ValueError:
        return
    assert DECIMALS.is_valid(text)


@given(st.from_regex(r"-?[0-9]{1,33}(\.[0-9]{0,34})?", fullmatch=True))
def test_the_codec_writes_what_the_pattern_takes(text: str) -> None:
    """The pattern takes no spelling that the codec would not write itself."""
    try:
        is_canonical = decimal_text(Decimal(text)) == text
    except ValueError:
        is_canonical = False
    assert DECIMALS.is_valid(text) == is_canonical


@pytest.mark.parametrize(
    "text", ["", "-0", "+1", "01", "1.", ".5", "1.0", "1e3", " 1", "0.10", "NaN", "Infinity", "1_0"]
)
def test_the_pattern_refuses_other_spellings(text: str) -> None:
    """One value, one spelling."""
    assert not DECIMALS.is_valid(text)


def test_asyncapi_has_every_topic_and_every_event() -> None:
    """Channels are the table of topics; each event type is a message of at least one, or waits."""
    document = asyncapi()
    assert document["channels"].keys() == BY_NAME.keys()
    assert document["components"]["messages"].keys() == TYPE_NAMES
    for topic in TOPICS:
        assert tuple(document["channels"][topic.name]["messages"]) == topic.events


def test_asyncapi_grants_what_the_table_grants() -> None:
    """One operation for each right of each principal, and none beside them."""
    granted: dict[tuple[str, str], set[str]] = {}
    for operation in asyncapi()["operations"].values():
        (tag,) = operation["tags"]
        topic = operation["channel"]["$ref"].removeprefix("#/channels/")
        granted.setdefault((tag["name"], operation["action"]), set()).add(topic)
    for principal in PRINCIPALS:
        sends = granted.get((principal, "send"), set())
        assert sends == writable_by(principal)
        assert sends | granted.get((principal, "receive"), set()) == readable_by(principal)


def test_tag_headers_are_those_of_the_keys() -> None:
    """Each record carries a tag for exactly the readers that share a key with its writer (S2)."""
    said = {
        tag_key(writer, verifier)
        for topic, verifiers in TAGGED_FOR.items()
        for writer in BY_NAME[topic].writers
        for verifier in verifiers
    }
    assert said == {key.name for key in TAG_KEYS}


def test_every_reference_leads_somewhere() -> None:
    """The parser of AsyncAPI does not follow payloads, so each reference is followed here."""
    document: Json = yaml.safe_load((DIRECTORY / ASYNCAPI).read_text(encoding="utf-8"))
    followed = 0
    for reference in _references(document):
        followed += 1
        if reference.startswith("./"):
            Draft202012Validator.check_schema(json.loads((DIRECTORY / reference).read_text()))
            continue
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
    assert followed > len(TOPICS) + len(EVENT_TYPES)


def _references(value: object) -> list[str]:
    match value:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [found for inner in value.values() for found in _references(inner)]
        case list():
            return [found for inner in value for found in _references(inner)]
        case _:
            return []
