"""
A structural comparison of two JSON Schemas: what would break a reader or a writer.

Within one version a field may be added as optional (to events, never to commands) and
an enum may grow; words may change freely. Anything else is reported, and so is any
keyword that this file does not know: what is not understood is not compatible.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

#: Words about a value, which no validator reads.
_PROSE: Final = {"$comment", "$defs", "$id", "$schema", "description", "examples", "title"}
#: Bounds from below and above; raising the former or lowering the latter narrows.
_LOWER: Final = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER: Final = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_STRUCTURE: Final = {
    "additionalProperties",
    "anyOf",
    "enum",
    "items",
    "prefixItems",
    "properties",
    "required",
}


class Comparison:
    """Two versions of one record's schema, the older one released."""

    def __init__(self, old: Schema, new: Schema, *, is_command: bool) -> None:
        self._old, self._new = old, new
        self._is_command = is_command

    def breaks(self) -> list[str]:
        """List each change that is not allowed, as `field: what happened`."""
        return list(self._walk("", self._old, self._new))

    def _walk(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        where = path.removeprefix(".") or "record"
        yield from _constraints(where, old, new)
        yield from self._fields(path, old, new)
        yield from self._open_part(where, path, old, new)
        for keyword in ("prefixItems", "anyOf"):
            yield from self._listed(keyword, path, old, new)
        if ("items" in old) != ("items" in new):
            yield f"{where}: items appeared or went"
        elif "items" in old:
            yield from self._walk(f"{path}[]", old["items"], new["items"])

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for field in sorted(before | after):
            inner = f"{path}.{field}"
            name = inner.removeprefix(".")
            if field not in after:
                yield f"{name}: removed"
            elif field in before:
                yield from self._walk(inner, before[field], after[field])
                if field in is_required - was_required:
                    yield f"{name}: became required"
                if field in was_required - is_required:
                    yield f"{name}: may now be missing"
            elif field in is_required:
                yield f"{name}: added as required"
            elif self._is_command:
                yield f"{name}: added to a command, which is closed"

    def _open_part(self, where: str, path: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from self._walk(f"{path}.*", before, after)
        elif before != after:
            yield f"{where}: additionalProperties changed from {before} to {after}"

    def _listed(self, keyword: str, path: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get(keyword, []), new.get(keyword, [])
        where = path.removeprefix(".") or "record"
        if len(before) != len(after):
            yield f"{where}: {keyword} has {len(after)} parts, had {len(before)}"
            return
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from self._walk(f"{path}[{number}]", one, other)


def _constraints(where: str, old: Schema, new: Schema) -> Iterator[str]:
    if "enum" in old or "enum" in new:
        yield from _narrowed_enum(where, old.get("enum"), new.get("enum"))
    for keyword in sorted((old.keys() | new.keys()) - _PROSE - _STRUCTURE):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        if keyword == "type":
            yield f"{where}: retyped from {before} to {after}"
        elif keyword not in _LOWER | _UPPER:
            yield f"{where}: {keyword} changed from {before} to {after}"
        elif after is not None and (
            before is None or (after > before if keyword in _LOWER else after < before)
        ):
            yield f"{where}: {keyword} tightened from {before} to {after}"


def _narrowed_enum(where: str, before: list[Any] | None, after: list[Any] | None) -> Iterator[str]:
    if before is None or after is None:
        yield f"{where}: enum appeared or went"
        return
    for value in before:
        if value not in after:
            yield f"{where}: enum lost {value}"


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Put a local reference's target in its place; what stands beside it is prose."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    prefix, _, name = reference.rpartition("/")
    assert prefix == "#/$defs", reference
    target: Schema = root["$defs"][name]
    return _resolved(target, root)
