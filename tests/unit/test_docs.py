"""What README and runbook name exists: files, links, commands, functions, settings, metrics."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from spark.cli.app import app
from spark.embedded.roles import OWNER, ROLES
from spark.metrics import Metrics
from spark.settings import Settings

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "runbook").rglob("*.md")])
NAMES: Final = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"\]\(([^)\s]*)\)")
_PATH: Final = re.compile(r"[\w./*-]+\.(?:py|md|sql|yaml|lock|txt|toml)")
_DIRECTORY: Final = re.compile(r"(?:spark|tests|runbook|schemas|deploy)/(?:[\w-]+/)*")
_FUNCTION: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)\(\)")
_CLASS: Final = re.compile(r"(?:[A-Z][a-z0-9]+){2,}")
_SETTING: Final = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=\S*)?")
_METRIC: Final = re.compile(r"spark_\w+")
_ASSIGNMENT: Final = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S* )*")
#: Shorter pieces of a quoted message prove nothing.
_PIECE_CHARS_MIN: Final = 6
#: Words of others, in the same spelling as ours.
_FOREIGN: Final = frozenset({"NO_COLOR", "SO_PEERCRED", "XDG_STATE_HOME"})

page_names = pytest.mark.parametrize("name", NAMES)


def spans(name: str) -> list[str]:
    """Code spans of a page, outside its blocks."""
    text = _FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    return [span.replace(r"\|", "|") for span in _SPAN.findall(text)]


def commands(name: str) -> Iterator[str]:
    """Every `spark …` of a page, in its spans and at the beginning of a line of its blocks."""
    blocks = _FENCE.findall((ROOT / name).read_text(encoding="utf-8"))
    for text in [*spans(name), *(line for block in blocks for line in block.splitlines())]:
        bare = _ASSIGNMENT.sub("", text.partition("  #")[0])
        if bare.startswith("spark "):
            yield bare


@cache
def defined() -> tuple[frozenset[str], frozenset[str]]:
    """Functions of the package, bare and with their class; and its classes."""
    function = ast.FunctionDef | ast.AsyncFunctionDef
    functions: set[str] = set()
    classes: set[str] = set()
    for path in (ROOT / "spark").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, function):
                functions.add(node.name)
            elif isinstance(node, ast.ClassDef):
                classes.add(node.name)
                inner = (one.name for one in node.body if isinstance(one, function))
                functions |= {f"{node.name}.{one}" for one in inner}
    return frozenset(functions), frozenset(classes)


@cache
def texts() -> str:
    """Every text constant of the package; those of an f-string piece by piece."""
    return "\n".join(
        node.value
        for path in (ROOT / "spark").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def settings() -> frozenset[str]:
    """Every variable that a setting is read from."""
    found = re.findall(r"^#?([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(found) > len(Settings.model_fields)
    return frozenset(found)


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, as they are made for links."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def complaint(command: str) -> str:
    """Say what is wrong with a command; nothing, where it exists with its options."""
    node: object = typer.main.get_command(app)
    words = command.split()[1:]
    while isinstance(node, TyperGroup):
        if node.invoke_without_command and (not words or words[0].startswith("-")):
            # A group that is a command itself.
            break
        if not words or words[0] not in node.commands:
            return f"{command}: no such command"
        node = node.commands[words.pop(0)]
    assert isinstance(node, TyperCommand | TyperGroup)
    if node.context_settings.get("ignore_unknown_options"):
        return ""
    known = [one for one in node.params if isinstance(one, TyperOption)]
    options = {word for one in known for word in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("-") and word not in options]
    return f"{command}: no option {unknown[0]}" if unknown else ""


@page_names
def test_every_link_leads_somewhere(name: str) -> None:
    """A link to a page or to a heading of it that is not there helps nobody at night."""
    broken = []
    for target in _LINK.findall((ROOT / name).read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / name).parent / path if path else ROOT / name
        if not place.exists() or (anchor and anchor not in slugs(place)):
            broken.append(target)
    assert broken == []


@page_names
def test_every_file_named_exists(name: str) -> None:
    """A file, a directory or a pattern in a code span is there; a bare name is somewhere."""
    missing = []
    for span in spans(name):
        if _DIRECTORY.fullmatch(span) and not (ROOT / span).is_dir():
            missing.append(span)
        if _PATH.fullmatch(span) and not span.startswith("/"):
            beside = (ROOT / name).parent / span
            found = list(ROOT.glob(span)) or beside.exists()
            if not found and "/" not in span:
                found = any((ROOT / "spark").rglob(span))
            if not found:
                missing.append(span)
    assert missing == []


@page_names
def test_every_command_exists(name: str) -> None:
    """`spark …` in a page is a promise: the command is there, with the options shown."""
    assert [line for line in map(complaint, commands(name)) if line] == []


@page_names
def test_every_make_target_exists(name: str) -> None:
    """`make …` too."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {span.split()[1] for span in spans(name) if re.match(r"make \w", span)}
    assert [one for one in targets if not re.search(rf"^{one}:", makefile, re.MULTILINE)] == []


@page_names
def test_every_function_and_class_exists(name: str) -> None:
    """`Some.function()` and `SomeClass` in a page are found in the code under that name."""
    functions, classes = defined()
    called = [match[1] for span in spans(name) if (match := _FUNCTION.fullmatch(span))]
    named = [span for span in spans(name) if _CLASS.fullmatch(span)]
    assert [one for one in called if one not in functions] == []
    assert [one for one in named if one not in classes] == []


@page_names
def test_every_setting_and_metric_exists(name: str) -> None:
    """A variable in a page is a setting, a `spark_…` a metric or a role of the database."""
    variables = [match[1] for span in spans(name) if (match := _SETTING.fullmatch(span))]
    assert [one for one in variables if one not in settings() | _FOREIGN] == []
    known = {one.name for one in Metrics("docs").declared} | {*ROLES.values(), OWNER}
    metrics = [span for span in spans(name) if _METRIC.fullmatch(span)]
    assert [one for one in metrics if one not in known] == []


@page_names
def test_every_message_quoted_is_said(name: str) -> None:
    """What a page quotes, with dots for what varies, stands in the code in those words."""
    quoted = [span for span in spans(name) if "…" in span and not span.startswith("spark ")]
    pieces = [piece.strip(" :;,()") for span in quoted for piece in span.split("…")]
    assert [one for one in pieces if len(one) >= _PIECE_CHARS_MIN and one not in texts()] == []


def test_every_decision_is_listed() -> None:
    """The runbook's first page leads to every decision."""
    first = (ROOT / "runbook" / "README.md").read_text(encoding="utf-8")
    decisions = {path.name for path in (ROOT / "runbook" / "decisions").glob("*.md")}
    assert {one for one in decisions if f"decisions/{one}" not in first} == set()


def test_a_wrong_command_is_found() -> None:
    """The check itself works: an unknown command and an unknown option each."""
    assert complaint("spark fly --reason x") == "spark fly --reason x: no such command"
    assert complaint("spark up --nonsense") == "spark up --nonsense: no option --nonsense"
    assert complaint("spark order place BTCUSDT buy 1 --limit 1") == ""
