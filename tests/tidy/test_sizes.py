"""
Sizes: what does not fit on a screen or two is split before it is reviewed.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from tests.tidy.exceptions import CLASSES, FILES, FUNCTIONS, POSITIONAL
from tests.tidy.source import Module, module_of, modules_of_tests, product_modules

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
CLASS_LINES_MAX: Final = 200
POSITIONAL_MAX: Final = 3

#: Size by `path` or `path::name.of.it`.
Sizes = dict[str, int]
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def file_lines(modules: tuple[Module, ...]) -> Sizes:
    return {module.path: len(module.text.splitlines()) for module in modules}


def function_lines(modules: tuple[Module, ...]) -> Sizes:
    return {
        name: _lines(node)
        for module in modules
        for name, node in _definitions(module)
        if isinstance(node, _Function)
    }


def class_lines(modules: tuple[Module, ...]) -> Sizes:
    return {
        name: _lines(node)
        for module in modules
        for name, node in _definitions(module)
        if isinstance(node, ast.ClassDef)
    }


def positional(modules: tuple[Module, ...]) -> Sizes:
    """Count parameters that a call may give without a name."""
    return {
        name: len([one for one in (*node.args.posonlyargs, *node.args.args) if not _is_self(one)])
        for module in modules
        for name, node in _definitions(module)
        if isinstance(node, _Function)
    }


def too_large(sizes: Sizes, most: int, exceptions: Mapping[str, int]) -> list[str]:
    """Compare sizes with the rule and its exceptions; a stale exception is a finding too."""
    found = [
        f"{name}: {size}, at most {exceptions.get(name, most)}"
        for name, size in sizes.items()
        if size > exceptions.get(name, most)
    ]
    stale = [
        f"{name}: no longer an exception, take it off the list"
        for name in exceptions
        if sizes.get(name, 0) <= most
    ]
    return found + stale


def test_files_are_short() -> None:
    """A file is 400 lines at most, a test's file too."""
    sizes = file_lines(product_modules() + modules_of_tests())
    assert too_large(sizes, FILE_LINES_MAX, FILES) == []


def test_functions_are_short() -> None:
    """A function is 60 lines at most, a test too."""
    sizes = function_lines(product_modules() + modules_of_tests())
    assert too_large(sizes, FUNCTION_LINES_MAX, FUNCTIONS) == []


def test_classes_are_short() -> None:
    """A class is 200 lines at most."""
    sizes = class_lines(product_modules() + modules_of_tests())
    assert too_large(sizes, CLASS_LINES_MAX, CLASSES) == []


def test_calls_name_what_they_give() -> None:
    """At most 3 parameters may be given by position; in tests the fixtures' number is free."""
    assert too_large(positional(product_modules()), POSITIONAL_MAX, POSITIONAL) == []


def test_a_large_sample_is_found() -> None:
    """Each measure sees a definition inside another one, and counts what stands in the text."""
    body = "\n".join(["        pass"] * 5)
    text = f"class A:\n    def f(self, a, b, /, c, d, *, e):\n{body}\n    async def g(self): ...\n"
    sample = (module_of("spark.sample", text),)
    assert file_lines(sample) == {"spark/sample.py": 8}
    assert function_lines(sample) == {"spark/sample.py::A.f": 6, "spark/sample.py::A.g": 1}
    assert class_lines(sample) == {"spark/sample.py::A": 8}
    assert positional(sample) == {"spark/sample.py::A.f": 4, "spark/sample.py::A.g": 0}


def test_the_list_of_exceptions_only_shrinks() -> None:
    """Larger than allowed, larger than its exception, and no longer large: each is found."""
    sizes = {"new": 5, "grown": 9, "known": 7, "cured": 3}
    exceptions = {"grown": 8, "known": 7, "cured": 6, "gone": 6}
    assert too_large(sizes, 4, exceptions) == [
        "new: 5, at most 4",
        "grown: 9, at most 8",
        "cured: no longer an exception, take it off the list",
        "gone: no longer an exception, take it off the list",
    ]


def _definitions(module: Module) -> Iterator[tuple[str, ast.ClassDef | _Function]]:
    def walk(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.ClassDef | _Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | _Function):
                yield f"{module.path}::{inside}{child.name}", child
                yield from walk(child, f"{inside}{child.name}.")
            else:
                yield from walk(child, inside)

    yield from walk(module.tree, "")


def _lines(node: ast.ClassDef | _Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _is_self(parameter: ast.arg) -> bool:
    return parameter.arg in {"self", "cls"}
