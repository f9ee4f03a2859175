"""
The pure set: what decides reads no clock, no network, no disk and no chance.

A decision folded again from the log must give the same bytes (R15), so these modules
may import from a short list alone, and only one another.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import pytest

from tests.tidy.source import PACKAGE, Module, module_of, names_of, product_modules

PURE: Final = (
    "spark.names",
    "spark.errors",
    "spark.quoting",
    "spark.toml",
    "spark.events",
    "spark.events.*",
    "spark.topics",
    "spark.ids",
    "spark.codec",
    "spark.signing",
    "spark.audit",
    "spark.audit_anchor",
    "spark.audit_chain",
    "spark.audit_keys",
    "spark.audit_tree",
    "spark.audit_witness",
    "spark.keys",
    "spark.people",
    "spark.ledger",
    "spark.ledger.*",
    "spark.guards",
    "spark.guards.*",
    "spark.fills",
    "spark.exchanges.port",
    "spark.exchanges.answers",
    "spark.exchanges.book",
    "spark.exchanges.fields",
    "spark.exchanges.funds",
    "spark.exchanges.keyed",
    "spark.exchanges.levels",
    "spark.exchanges.proof",
    "spark.exchanges.refusals",
    "spark.exchanges.rules",
    "spark.exchanges.bist.days",
    "spark.exchanges.bist.overrides",
    "spark.exchanges.bist.sessions",
    "spark.exchanges.*.wire*",
    "spark.exchanges.*.auth",
    "spark.exchanges.*.evidence",
    "spark.exchanges.*.local_book",
    "spark.exchanges.*.signer",
    "spark.exchanges.btcturk.unconfirmed",
)
#: From Python's own library: values, types and text; nothing that asks the machine.
LIBRARY: Final = frozenset(
    {
        "abc",
        "base64",
        "bisect",
        "collections",
        "collections.abc",
        "contextlib",
        "dataclasses",
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "itertools",
        "json",
        "re",
        "tomllib",
        "types",
        "typing",
        "urllib.parse",
    }
)
#: Other people's code, by the one module that may use it, with the reason.
ALLOWED: Final = {
    ("spark.codec", "pydantic"): "validates what strangers send; computes, never asks",
    ("spark.codec", "orjson"): "writes canonical bytes",
    ("spark.audit_anchor", "pydantic"): "validates lines of a file that strangers may have written",
    ("spark.audit_keys", "pydantic"): "validates a file that strangers may have written",
    ("spark.audit_keys", "cryptography"): "Ed25519 keys",
    ("spark.audit_chain", "orjson"): "reads a record's type and ids",
    ("spark.exchanges.fields", "orjson"): "parses an exchange's bytes",
    ("spark.people", "cryptography"): "Ed25519 keys",
    (
        "spark.signing",
        "cryptography",
    ): "AES-256-GCM, Ed25519; the nonce is given, not drawn",
}
#: Modules that may say `float`, with the reason: money never is one.
FLOATS: Final = {
    "spark.exchanges.port": "seconds to wait before the next try",
}
#: Functions that reach outside, or whose answer differs from one run to the next.
_OUTSIDE: Final = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print"}
)


def is_pure(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in PURE)


def impurities(module: Module) -> Iterator[str]:
    """Find what a pure module must not have."""
    for found in module.imports():
        target = found.target
        if target == PACKAGE or target.startswith(f"{PACKAGE}."):
            continue
        owners = {target, target.rpartition(".")[0]}
        if not owners & LIBRARY and (module.name, target.split(".")[0]) not in ALLOWED:
            yield module.at(found.line, f"imports {target}, which the pure set does not allow")
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _OUTSIDE:
                yield module.at(node.lineno, f"calls {name}()")
            case ast.AsyncFunctionDef(name=name, body=body) if not _is_declared_only(body):
                yield module.at(node.lineno, f"{name} is async; a decision waits for nobody")
            case ast.Name(id="float") | ast.Constant(value=float()) if module.name not in FLOATS:
                yield module.at(node.lineno, "uses float; money and quantities are Decimal")
            case _:
                pass


def _is_declared_only(body: list[ast.stmt]) -> bool:
    """Tell a port's method, which is a docstring, from one that does something."""
    return all(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in body)


def test_the_pure_set_asks_nobody() -> None:
    """
    Fault D2: No pure module imports or calls what reads a clock, a disk, a network or chance.

    Fault D2.
    """
    found = [
        line for module in product_modules() if is_pure(module.name) for line in impurities(module)
    ]
    assert found == []


def test_the_pure_set_is_closed() -> None:
    """
    Fault D2: A pure module imports pure modules alone, or purity would end at the next file.

    Fault D2.
    """
    known = names_of(product_modules())
    found = [
        module.at(one.line, f"imports {one.target}, which is not pure")
        for module in product_modules()
        if is_pure(module.name)
        for one in module.imported_modules(known)
        if not is_pure(one.target)
    ]
    assert found == []


def test_every_pattern_and_exception_is_used() -> None:
    """A pattern that matches nothing guards nothing; an exception that is not used goes."""
    pure = [module for module in product_modules() if is_pure(module.name)]
    names = names_of(tuple(pure))
    assert [p for p in PURE if not any(fnmatchcase(name, p) for name in names)] == []
    used = {(m.name, found.target.split(".")[0]) for m in pure for found in m.imports()}
    assert ALLOWED.keys() - used == set()
    assert [name for name in FLOATS if not _says_float(names, name)] == []


def _says_float(names: frozenset[str], name: str) -> bool:
    return name in names and any(
        isinstance(node, ast.Name) and node.id == "float"
        for module in product_modules()
        if module.name == name
        for node in ast.walk(module.tree)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import time", "imports time"),
        ("from time import monotonic", "imports time.monotonic"),
        ("import os.path", "imports os.path"),
        ("import asyncio", "imports asyncio"),
        ("import logging", "imports logging"),
        ("import random", "imports random"),
        ("from datetime import datetime", "imports datetime.datetime"),
        ("import pydantic", "imports pydantic"),
        ("from urllib.request import urlopen", "imports urllib.request.urlopen"),
        ("def f():\n    import socket", "imports socket"),
        ("def f():\n    return open('x')", "calls open()"),
        ("def f(x):\n    return hash(x)", "calls hash()"),
        ("async def f():\n    return 1", "f is async"),
        ("price = 0.1", "uses float"),
        ("def f(x: float): ...", "uses float"),
    ],
)
def test_an_impure_sample_is_found(text: str, words: str) -> None:
    """The rule itself works: each kind of impurity is found where it stands."""
    (found,) = impurities(module_of("spark.ledger.sample", text))
    assert words in found


def test_a_pure_sample_passes() -> None:
    """What the pure set is made of is not reported."""
    text = "from decimal import Decimal\nfrom collections.abc import Mapping\nX = Decimal('0.1')\n"
    assert list(impurities(module_of("spark.guards.sample", text))) == []
