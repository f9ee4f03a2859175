"""
Which test proves which rule: made of the docstrings of the tests, and of what still waits.

`python -m tests.tidy.proofs` writes the page.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Final

from tests.tidy.rules import FAULTS, RULES, TRAPS, WAITS
from tests.tidy.source import ROOT, modules_of_tests

PAGE: Final = ROOT / "runbook" / "proofs.md"
_NUMBER: Final = re.compile(r"\b([RS]\d{1,2})\b")
#: `trap 9`, `traps 9, 10`: what other clients of exchanges get wrong.
_TRAPS: Final = re.compile(r"\btraps? (\d{1,2}(?:(?:, | and )\d{1,2})*)", re.IGNORECASE)
#: `fault K1`, `faults P4, V1 and N4`: what goes wrong in operation.
_FAULTS: Final = re.compile(
    r"\bfault [A-Z]\d{1,2}\b|\bfaults [A-Z]\d{1,2}(?:(?:, | and )[A-Z]\d{1,2})*\b", re.IGNORECASE
)
ALL: Final = RULES | TRAPS | FAULTS


@cache
def proofs() -> dict[str, dict[str, list[str]]]:
    """Collect, for each number, the tests that name it, by file and in their order there."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for module in modules_of_tests():
        for name, doc in _tests(module.tree):
            for number in sorted(set(_named(doc))):
                found[number][module.path].append(name)
    return found


def _named(doc: str) -> Iterator[str]:
    for numbers in _TRAPS.findall(doc):
        yield from (f"T{number}" for number in re.findall(r"\d+", numbers))
    for numbers in _FAULTS.findall(doc):
        yield from (f"fault {number}" for number in re.findall(r"[A-Z]\d+", numbers))
    # A fault S1 is no rule S1.
    yield from _NUMBER.findall(_FAULTS.sub("", doc))


def page() -> str:
    """Write the page."""
    found = proofs()
    lines = [
        "# Proofs",
        "",
        "Each rule of the protocol (R) and of security (S), each trap of the exchanges (T), each",
        "fault in operation, and the tests that name it in their docstrings. What faults did under",
        "load, and how often: [kill-matrix.md](kill-matrix.md).",
        "Generated: `python -m tests.tidy.proofs`.",
        "",
    ]
    for number, rule in ALL.items():
        lines += [f"## {number.capitalize()}", "", rule, ""]
        if number in WAITS:
            lines += [f"Waits for {WAITS[number]}.", ""]
        for path, names in found.get(number, {}).items():
            lines += [f"- `{path}`"]
            lines += [f"  - {name.removeprefix('test_').replace('_', ' ')}" for name in names]
        if number in found:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _tests(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            yield node.name, ast.get_docstring(node) or ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
