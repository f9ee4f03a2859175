"""
The contracts as files: a JSON Schema for each event, and all topics as AsyncAPI.

Everything is generated from events/, names.py and topics.py; nothing in `schemas/`
but `examples/` is written by hand. After a change there, run
`python -m spark.schemas` (it needs PyYAML, which only development installs) and read
the difference: within one version a field may be added as optional, nothing else.

The schemas say what codec.py enforces and no more: models are closed, every field is
present, a decimal is a string. That keys are sorted and that there is one spelling for
each value, a schema cannot say; its `$comment` does.
"""

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from spark import __version__, events, names
from spark.codec import type_name
from spark.events import EVENT_TYPES, Event
from spark.names import TAG_PREFIX, Role
from spark.topics import DECISIONS, INTENTS, PRINCIPALS, SIGNED, TOPICS, Topic

#: A JSON document, as `json` and `yaml` read and write it.
Json: TypeAlias = dict[str, Any]

DIRECTORY: Final = Path(__file__).parent.parent / "schemas"
ASYNCAPI: Final = "asyncapi.yaml"
EXAMPLES: Final = "examples"

#: What codec.decimal_text writes: no blanks, plus sign, exponent, trailing or leading zero.
DECIMAL_PATTERN: Final = r"^(?:0|-?(?:[1-9][0-9]{0,30}(?:\.[0-9]*[1-9])?|0\.(?!0{30})[0-9]*[1-9]))$"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_CANONICAL: Final = (
    "Canonical form: this object as UTF-8 JSON with sorted keys, without blanks, every field "
    "present once, decimals as strings in plain notation without trailing zeros, integers of 64 "
    "bits. Whatever does not encode to its own bytes again is refused as malformed."
)
_PAYLOAD_FORMAT: Final = "application/schema+json;version=draft-2020-12"
_BINDING: Final = "0.5.0"
_DOC_COMMENT: Final = "#:"
_FENCE: Final = "partition_fenced"

#: Which readers a record of each topic proves its writer to (keys.TAG_KEYS, S2, S3).
TAGGED_FOR: Final[dict[str, tuple[Role, ...]]] = {
    INTENTS: (Role.GUARDRAIL, Role.SIGNER),
    DECISIONS: (Role.SIGNER, Role.GATEWAY),
    SIGNED: (Role.GATEWAY,),
}


def files() -> dict[str, str]:
    """
    Generate every file of `schemas/` that is not an example.

    Returns: text by file name.
    """
    made = {file_name(kind): _json_text(schema_of(kind)) for kind in EVENT_TYPES}
    return made | {ASYNCAPI: _yaml_text(asyncapi())}


def file_name(kind: type[Event]) -> str:
    """Name the schema file of an event type: `order_acked.v1.json`."""
    return f"{_versioned(kind)}.json"


def examples_name(kind: type[Event]) -> str:
    """Name the file of recorded examples of an event type, one canonical record a line."""
    return f"{EXAMPLES}/{_versioned(kind)}.jsonl"


# --- payloads -----------------------------------------------------------------


def schema_of(kind: type[Event]) -> Json:
    """Give the JSON Schema (2020-12) of the values that codec.py takes for one event type."""
    made = TypeAdapter(kind).json_schema(schema_generator=_Generator, mode="serialization")
    parts = made.pop("$defs", {})
    for part in (made, *parts.values()):
        _describe_fields(part)
    head = {
        "$schema": _DIALECT,
        "$id": file_name(kind),
        "title": made.pop("title"),
        "description": made.pop("description"),
        "$comment": _CANONICAL,
        "type": made.pop("type"),
    }
    return head | made | ({"$defs": parts} if parts else {})


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, made to say how a decimal is spelt."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        del schema
        return {"type": "string", "pattern": DECIMAL_PATTERN}


def _describe_fields(part: JsonSchemaValue) -> None:
    fields: Json = part.get("properties", {})
    for field, schema in fields.items():
        # A default is a convenience of the constructor, the wire always has the value;
        # and a title that repeats the field's name in other letters tells nobody anything.
        schema.pop("default", None)
        schema.pop("title", None)
        text = _FIELD_TEXT.get((part["title"], field))
        if text is not None:
            schema["description"] = text
    if fields:
        part["required"] = sorted(fields)


def _field_texts(*modules: ModuleType) -> dict[tuple[str, str], str]:
    """
    Collect what the `#:` comments say about each field.

    A field without a comment takes that of the first named type in its annotation.

    Returns: text by class name and field name.
    """
    sources = [inspect.getsource(module) for module in modules]
    named: dict[str, str] = {}
    for source in sources:
        named |= {name: text for _, name, text, _ in _annotated(source) if text}
    texts: dict[tuple[str, str], str] = {}
    for source in sources:
        for owner, field, text, annotation in _annotated(source):
            types = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)]
            inherited = next((named[name] for name in types if name in named), "")
            if owner and (text or inherited):
                texts[owner, field] = text or inherited
    return texts


def _annotated(source: str) -> Iterator[tuple[str, str, str, ast.expr]]:
    """Walk the assignments of a module: class name or nothing, name, its comment, its type."""
    lines = source.splitlines()
    for top in ast.parse(source).body:
        inner = top.body if isinstance(top, ast.ClassDef) else [top]
        owner = top.name if isinstance(top, ast.ClassDef) else ""
        for node in inner:
            match node:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                    yield owner, name, _comment_above(lines, node.lineno), annotation
                case ast.Assign(targets=[ast.Name(id=name)]):
                    yield owner, name, _comment_above(lines, node.lineno), node.value
                case _:
                    pass


def _comment_above(lines: list[str], lineno: int) -> str:
    found: list[str] = []
    for line in reversed(lines[: lineno - 1]):
        comment = line.strip()
        if not comment.startswith(_DOC_COMMENT):
            break
        found.insert(0, comment.removeprefix(_DOC_COMMENT).strip())
    return " ".join(found)


_EVENTS: Final = (
    events.audit, events.control, events.gateway, events.market, events.orders, events.parts,
    events.risk, events.venue,
)  # fmt: skip
_FIELD_TEXT: Final = _field_texts(names, *_EVENTS)


def _versioned(kind: type[Event]) -> str:
    version: int = kind.__dataclass_fields__["v"].default
    return f"{type_name(kind)}.v{version}"


# --- topics -------------------------------------------------------------------


def asyncapi() -> Json:
    """Give the AsyncAPI 3.0.0 document of every topic, who writes it and who reads it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Spark",
            "version": __version__,
            "description": (
                "Every topic of spark/topics.py with what may stand on it. The broker grants "
                "exactly the operations below and nothing else."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {
            "messages": {type_name(kind): _message(kind) for kind in EVENT_TYPES},
            "securitySchemes": {
                "scram": {
                    "type": "scramSha512",
                    "description": "One user for each role, strategy and person.",
                }
            },
        },
    }


def _server() -> Json:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "The embedded broker, or the one that SPARK_KAFKA_BOOTSTRAP names.",
        "variables": {
            "bootstrap": {
                "default": "127.0.0.1:9092",
                "description": "Host and port; `spark status` shows those of a running stack.",
            }
        },
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    }


def _channel(topic: Topic) -> Json:
    kept: Json = {
        "cleanup.policy": ["delete"],
        "retention.ms": topic.retention_ms,
        "max.message.bytes": topic.message_bytes_max,
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
    }
    if topic.flush_each:
        kept["flush.messages"] = 1
    return {
        "address": topic.name,
        "description": f"{topic.purpose}.",
        "messages": {event: {"$ref": f"#/components/messages/{event}"} for event in topic.events},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": kept,
                "x-spark-key": topic.key,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations() -> Iterator[tuple[str, Json]]:
    for principal in sorted(PRINCIPALS):
        for action, verb in (("send", "writes"), ("receive", "reads")):
            for topic in TOPICS:
                if principal not in (topic.writers if action == "send" else topic.readers):
                    continue
                yield (
                    f"{principal}.{action}.{topic.name}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{topic.name}"},
                        "summary": f"{principal} {verb} {topic.name}.",
                        "tags": [{"name": principal}],
                    },
                )


def _message(kind: type[Event]) -> Json:
    name = type_name(kind)
    found_on = [topic for topic in TOPICS if name in topic.events]
    made: Json = {
        "name": name,
        "title": kind.__name__,
        "summary": inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " "),
        "contentType": "application/json",
        "payload": {"schemaFormat": _PAYLOAD_FORMAT, "schema": {"$ref": f"./{file_name(kind)}"}},
    }
    verifiers = [] if name == _FENCE else [v for t in found_on for v in TAGGED_FOR.get(t.name, ())]
    if verifiers:
        made["headers"] = _tag_headers(verifiers)
    keys = {topic.key for topic in found_on}
    if len(keys) == 1 and keys != {"none"}:
        key = {"type": "string", "description": f"The {keys.pop()}."}
        made["bindings"] = {"kafka": {"key": key, "bindingVersion": _BINDING}}
    return made


def _tag_headers(verifiers: list[Role]) -> Json:
    text = "Key id, a zero byte, HMAC-SHA256 over the value and its place (spark/signing.py)."
    headers = {
        TAG_PREFIX + role.value: {"type": "string", "description": text} for role in verifiers
    }
    return {"type": "object", "required": list(headers), "properties": headers}


# --- files --------------------------------------------------------------------


def _json_text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml_text(document: Json) -> str:
    import yaml  # noqa: PLC0415  (development only: a running Spark has no use for it)

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return "# Generated by `python -m spark.schemas`; do not edit.\n" + text


def main(directory: Path = DIRECTORY) -> None:
    """Write `schemas/` anew; files of types that are gone stay, their records do too."""
    (directory / EXAMPLES).mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (directory / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(EVENT_TYPES)} schemas and {ASYNCAPI} in {directory}\n")


if __name__ == "__main__":
    main()
