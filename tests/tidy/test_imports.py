"""
Imports point one way: down the table below, never up, never in a circle.

A row may import the rows above it in the table and its own packages; two packages of
one row do not import each other.
"""

import ast
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

import pytest

from tests.tidy.source import Module, module_of, names_of, product_modules

#: Lowest first. A package stands for all of its modules; the longest name that fits counts.
LAYERS: Final = (
    ("spark.names", "spark.errors", "spark.quoting"),
    ("spark.events",),
    (
        "spark.audit_tree",
        "spark.clock",
        "spark.codec",
        "spark.crash_points",
        "spark.fills",
        "spark.ids",
        "spark.row_histogram",
        "spark.signing",
        "spark.toml",
    ),
    (
        "spark.people",
        "spark.topics",
        "spark.log",
        "spark.metrics",
        "spark.settings",
        "spark.audit_chain",
    ),
    (
        "spark.secret_files",
        "spark.audit_anchor",
        "spark.audit_keys",
        "spark.key_slots",
        "spark.locked_key",
        "spark.keys",
        "spark.schemas",
        "spark.exchanges.port",
    ),
    (
        "spark.exchanges.answers",
        "spark.exchanges.fields",
        "spark.exchanges.funds",
        "spark.exchanges.keyed",
        "spark.exchanges.levels",
        "spark.exchanges.refusals",
        "spark.exchanges.rules",
    ),
    ("spark.exchanges.book", "spark.exchanges.proof"),
    ("spark.audit", "spark.audit_witness", "spark.exchanges.http"),
    ("spark.exchanges.public", "spark.exchanges.sockets"),
    (
        "spark.exchanges.binance",
        "spark.exchanges.bist",
        "spark.exchanges.btcturk",
        "spark.ledger",
    ),
    ("spark.guards", "spark.keyring", "spark.bus", "spark.db", "spark.exchanges.paper"),
    ("spark.worker",),
    ("spark.consumers", "spark.producers"),
    ("spark.strategies", "spark.exchanges.simulator", "spark.embedded"),
    ("spark.ops",),
    ("spark.bench",),
    ("spark.cli",),
    ("spark.__main__", "spark.bench.crash.child"),
)
#: Hold a docstring or a version; everybody passes through them.
PASSAGES: Final = frozenset({"spark", "spark.exchanges"})

#: Where Spark is entered from outside: by a person, by the supervisor, by development.
ENTRIES: Final = frozenset(
    {"spark.__main__", "spark.cli", "spark.cli.page", "spark.ops.pages", "spark.schemas"}
)
#: Modules that no process reaches yet, with the reason. May only shrink.
UNREACHED: Final[dict[str, str]] = {}

#: Client libraries, and the only modules that may import them: their exceptions end there.
CLIENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "aiokafka": ("spark.bus.kafka*", "spark.bench.floor"),
    "aiohttp": (
        "spark.exchanges.http",
        "spark.exchanges.sockets",
        "spark.exchanges.simulator.*",
        "spark.consumers.auditor_witness",
        "spark.ops.audit_witness",
        "spark.producers.webhook",
        "spark.worker.listener",
        "spark.worker.ops",
        "spark.bench.floor",
        "spark.bench.judges",
        "spark.bench.tape",
    ),
    "confluent_kafka": (
        "spark.embedded.broker_check",
        "spark.embedded.kafka_admin",
        "spark.embedded.provision",
    ),
    "exchange_calendars": ("spark.exchanges.bist.calendar",),
    "prometheus_client": ("spark.metrics", "spark.row_histogram", "spark.worker.ops"),
    "psycopg": ("spark.db.attempts", "spark.db.pool"),
    "psycopg_pool": ("spark.db.pool",),
    "structlog": ("spark.log",),
    "yaml": ("spark.schemas",),
}


def layer_of(name: str) -> tuple[int, str]:
    """Find a module's row and the package of that row which it belongs to."""
    fitting = [
        (rank, package)
        for rank, row in enumerate(LAYERS)
        for package in row
        if name == package or name.startswith(f"{package}.")
    ]
    assert fitting, f"{name} has no row in LAYERS"
    return max(fitting, key=lambda one: len(one[1]))


def upward(module: Module, known: frozenset[str]) -> Iterator[str]:
    """Find imports that do not point down."""
    if module.name in PASSAGES:
        return
    rank, package = layer_of(module.name)
    for found in module.imported_modules(known):
        if found.target in PASSAGES:
            continue
        target_rank, target_package = layer_of(found.target)
        if target_rank >= rank and target_package != package:
            yield module.at(found.line, f"{package} must not import {found.target}")


def circles(edges: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Find modules that reach themselves, each circle once, as the walk meets it."""
    done: set[str] = set()
    found: list[list[str]] = []

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append(path[path.index(name) :])
            return
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            walk(target, [*path, name])
        done.add(name)

    for start in sorted(edges):
        walk(start, [])
    return found


def unreached(modules: tuple[Module, ...]) -> set[str]:
    """Find modules that no entry leads to: by imports, or started by name or by file name."""
    known = names_of(modules)
    edges = {module.name: _reaches(module, known) for module in modules}
    seen: set[str] = set()
    waiting = [name for name in ENTRIES if name in known]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(edges[name])
    return set(known) - seen


def foreign(module: Module) -> Iterator[str]:
    """Find client libraries outside their importers."""
    for found in module.imports():
        library = found.target.split(".")[0]
        homes = CLIENTS.get(library)
        if homes is not None and not any(fnmatchcase(module.name, home) for home in homes):
            yield module.at(found.line, f"imports {library}; only {', '.join(homes)} may")


def environment(module: Module) -> Iterator[str]:
    """Find readers of the environment beside settings/."""
    # A spare reads none: it takes off its own and puts on the one that it is told.
    if module.name.startswith("spark.settings") or module.name == "spark.embedded.spare":
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(attr="environ" | "environb" | "getenv" | "putenv" | "unsetenv"):
                yield module.at(node.lineno, "reads the environment; spark/settings/ does that")
            case ast.ImportFrom(module="os", names=names) if any(
                alias.name in {"environ", "environb", "getenv"} for alias in names
            ):
                yield module.at(node.lineno, "reads the environment; spark/settings/ does that")
            case _:
                pass


def test_imports_point_down() -> None:
    """No module imports from its own row or a higher one, but for its own package."""
    known = names_of(product_modules())
    assert [line for module in product_modules() for line in upward(module, known)] == []


def test_imports_make_no_circle() -> None:
    """No module reaches itself, not even through an import inside a function."""
    known = names_of(product_modules())
    edges = {
        module.name: frozenset(
            one.target for one in module.imported_modules(known) if not one.is_for_types
        )
        - {module.name}
        for module in product_modules()
    }
    assert circles(edges) == []


def test_every_row_exists() -> None:
    """A row that names nothing is out of date."""
    known = names_of(product_modules())
    assert [package for row in LAYERS for package in row if package not in known] == []


def test_every_module_is_reached() -> None:
    """A module that no entry leads to is dead; the list of those that wait may only shrink."""
    assert unreached(product_modules()) == UNREACHED.keys()


def test_client_libraries_stay_at_their_importers() -> None:
    """A client library's exceptions end at the module that turns them into a SparkError."""
    assert [line for module in product_modules() for line in foreign(module)] == []


def test_every_importer_imports() -> None:
    """A permission that nobody uses goes."""
    used = {
        (library, home)
        for module in product_modules()
        for found in module.imports()
        for library in [found.target.split(".")[0]]
        for home in CLIENTS.get(library, ())
        if fnmatchcase(module.name, home)
    }
    assert {(library, home) for library, homes in CLIENTS.items() for home in homes} == used


def test_settings_alone_read_the_environment() -> None:
    """What configures Spark is in one frozen object that every screen can show."""
    assert [line for module in product_modules() for line in environment(module)] == []


def test_an_upward_sample_is_found() -> None:
    """The table bites: upward, sideways and hidden in a function."""
    known = names_of(product_modules())
    texts = {
        "spark.events": "from spark.codec import encode",
        "spark.ledger.sample": "def f():\n    from spark.guards import evaluate",
        "spark.consumers.sample": "from spark.producers.intents import IntentSender",
    }
    for name, text in texts.items():
        (found,) = upward(module_of(name, text), known)
        assert "must not import" in found
    downward = module_of(
        "spark.guards.sample", "from spark import names\nfrom spark.guards import x"
    )
    assert list(upward(downward, known)) == []


def test_a_module_without_a_row_is_found() -> None:
    """A new package is given its place in the table before anything else."""
    with pytest.raises(AssertionError, match="no row"):
        layer_of("spark.newcomer")


def test_a_circle_is_found() -> None:
    """Two modules or more that reach each other are named; a diamond is no circle."""
    edges = {"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert circles({name: frozenset(to) for name, to in edges.items()}) == [["e", "f"]]


def test_a_dead_sample_is_found() -> None:
    """What only a dead module imports is dead too; what is started by name is not."""
    modules = (
        module_of("spark.cli", "START = ['-m', 'spark.child']; FILE = 'leash.py'"),
        module_of("spark.child", ""),
        module_of("spark.leash", ""),
        module_of("spark.dead", "from spark import deader"),
        module_of("spark.deader", ""),
    )
    assert unreached(modules) == {"spark.dead", "spark.deader"}


def test_a_foreign_sample_is_found() -> None:
    """The permissions bite, also on `from x.y import z`."""
    (found,) = foreign(
        module_of("spark.consumers.sample", "from aiokafka.errors import KafkaError")
    )
    assert "imports aiokafka" in found


@pytest.mark.parametrize(
    "text",
    ["import os\nX = os.environ['X']", "from os import environ", "import os\nos.getenv('X')"],
)
def test_a_reader_of_the_environment_is_found(text: str) -> None:
    """Each way to the environment is known."""
    assert len(list(environment(module_of("spark.db.sample", text)))) == 1


def _reaches(module: Module, known: frozenset[str]) -> set[str]:
    targets = {one.target for one in module.imported_modules(known)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            targets |= {node.value, f"{node.value}.__main__", _sibling(module, node.value)} & known
    # A package runs its __init__ before any of its modules.
    parents = {target.rpartition(".")[0] for target in targets}
    return targets | (parents & known)


def _sibling(module: Module, file: str) -> str:
    """Name the module that a file name means; some are started by path, to import nothing."""
    stem = file.removesuffix(".py")
    return "" if stem == file else f"{module.name.rpartition('.')[0]}.{stem}"
