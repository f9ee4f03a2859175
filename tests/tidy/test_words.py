"""
Words: every module says what it is, every test which rule it proves.

Nothing is left for later, and nothing names the machine that it was written on.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from tests.tidy.source import Module, module_of, modules_of_tests, product_modules, text_files

#: One letter of each word stands in brackets, so that this file does not find itself.
_LATER: Final = re.compile(r"\b[T]ODO\b|\b[F]IXME\b")
_MACHINE: Final = re.compile(r"(?<![\w.{}$*])/(?:[w]ork|[h]ome|[U]sers|[r]oot|[m]nt)/[\w.-]+")
_REGISTRY: Final = re.compile(
    r"(?i)\b[p]ypi\.org|[p]ythonhosted\.org|[m]aven\.(?:org|apache\.org)|[m]aven2\b|[n]pmjs\."
    r"|\b[d]ocker\.io|\b[g]hcr\.io|\b[q]uay\.io|\b[g]cr\.io"
    r"|--[i]ndex-url|--[e]xtra-index-url|--[f]ind-links"
)
#: Ways to speak over TLS with whoever answers.
_UNVERIFIED: Final = re.compile(
    r"\bssl\s*=\s*False|\bverify_ssl\b|\bcheck_hostname\s*=\s*False|\bCERT_NONE\b"
    r"|\b_create_unverified_context\b"
)
_PATTERNS: Final = (_LATER, _MACHINE, _REGISTRY, _UNVERIFIED)
#: Files that may hold such words, with the reason.
_EXEMPT: Final[Mapping[str, str]] = {}


def undocumented(module: Module) -> Iterator[str]:
    """Find a module without a docstring."""
    if not ast.get_docstring(module.tree):
        yield module.at(1, "no docstring says what this module is")


def unproven(module: Module) -> Iterator[str]:
    """Find a test that does not say which rule it proves."""
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ):
            yield module.at(node.lineno, f"{node.name} does not say which rule it proves")


def swallowing(module: Module) -> Iterator[str]:
    """Find where any error whatever is caught and dropped."""
    for node in ast.walk(module.tree):
        match node:
            case ast.ExceptHandler(type=kind, body=body) if _is_any(kind) and _is_nothing(body):
                yield module.at(node.lineno, "catches every error and drops it")
            case ast.Call(func=ast.Attribute(attr="suppress") | ast.Name(id="suppress")) if any(
                _is_any(kind) for kind in node.args
            ):
                yield module.at(node.lineno, "suppresses every error")
            case _:
                pass


def unwanted(texts: Mapping[str, str], pattern: re.Pattern[str]) -> list[str]:
    """Find a pattern in texts."""
    return [
        f"{path}:{number}: {found.group()}"
        for path, text in texts.items()
        if path not in _EXEMPT
        for number, line in enumerate(text.splitlines(), 1)
        for found in pattern.finditer(line)
    ]


def test_every_module_says_what_it_is() -> None:
    """A module opens with its contract."""
    modules = product_modules() + modules_of_tests()
    assert [line for module in modules for line in undocumented(module)] == []


def test_every_test_says_what_it_proves() -> None:
    """A test's docstring is the rule it proves."""
    assert [line for module in modules_of_tests() for line in unproven(module)] == []


def test_no_error_is_dropped_unseen() -> None:
    """Any error whatever may be cleaned up after and raised again, never swallowed."""
    modules = product_modules() + modules_of_tests()
    assert [line for module in modules for line in swallowing(module)] == []


def test_nothing_is_left_for_later() -> None:
    """What is missing is an issue, not a comment."""
    assert unwanted(text_files(), _LATER) == []


def test_no_machine_is_named() -> None:
    """A path that exists on one machine alone is a defect on every other."""
    assert unwanted(text_files(), _MACHINE) == []


def test_no_registry_is_named() -> None:
    """Where packages come from is the user's own setting; locks hold hashes, no hosts."""
    assert unwanted(text_files(), _REGISTRY) == []


def test_n5_every_certificate_is_verified() -> None:
    """Fault N5: no switch, no default and no branch of Spark takes a certificate unseen."""
    product = {path: text for path, text in text_files().items() if path.startswith("spark/")}
    assert product
    assert unwanted(product, _UNVERIFIED) == []


def test_every_exemption_is_used() -> None:
    """An exemption of a file that is clean, or gone, goes."""
    for path in _EXEMPT:
        found = {path: text_files().get(path, "")}
        assert any(unwanted(found, one) for one in _PATTERNS), path


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept:\n    ...",
        "while x:\n    try:\n        f()\n    except (OSError, BaseException):\n        continue",
        "with contextlib.suppress(Exception):\n    f()",
        "with suppress(OSError, BaseException):\n    f()",
    ],
)
def test_a_swallowing_sample_is_found(text: str) -> None:
    """Each way to drop every error is known."""
    assert len(list(swallowing(module_of("spark.sample", text)))) == 1


def test_narrow_or_passed_on_is_no_swallowing() -> None:
    """One kind of error may be ignored; any error may be raised again."""
    for handler in ("except OSError:\n    pass", "except Exception:\n    g()\n    raise"):
        sample = module_of("spark.sample", f"try:\n    f()\n{handler}")
        assert list(swallowing(sample)) == []


def test_silent_samples_are_found() -> None:
    """A module without a docstring and a test without one are each found."""
    sample = module_of("tests.sample", "class TestX:\n    async def test_x(self): ...\n")
    assert len(list(undocumented(sample))) == 1
    assert len(list(unproven(sample))) == 1


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (_LATER, "# TO" + "DO: later"),
        (_LATER, "# FIX" + "ME"),
        (_MACHINE, 'HERE = "/wo' + 'rk/main/spark"'),
        (_MACHINE, "see /ho" + "me/somebody/spark"),
        (_REGISTRY, "https://py" + "pi.org/simple"),
        (_REGISTRY, "image: gh" + "cr.io/x/y"),
        (_REGISTRY, "--index" + "-url http://x"),
        (_UNVERIFIED, "session.get(url, ssl=False)"),
        (_UNVERIFIED, "TCPConnector(verify_ssl=strict)"),
        (_UNVERIFIED, "context.check_hostname = False"),
        (_UNVERIFIED, "context.verify_mode = ssl.CERT_NONE"),
    ],
)
def test_an_unwanted_word_is_found(pattern: re.Pattern[str], line: str) -> None:
    """Each pattern finds what it is for."""
    assert len(unwanted({"a.txt": f"first\n{line}"}, pattern)) == 1


@pytest.mark.parametrize("line", ["${HOME}/spark", "https://docs.example/home/page", "GET /home"])
def test_what_is_no_path_passes(line: str) -> None:
    """A variable, an address and a route name no machine."""
    assert unwanted({"a.txt": line}, _MACHINE) == []


def _is_any(kind: ast.expr | None) -> bool:
    match kind:
        case None | ast.Name(id="Exception" | "BaseException"):
            return True
        case ast.Tuple(elts=kinds):
            return any(_is_any(one) for one in kinds)
        case _:
            return False


def _is_nothing(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(one, ast.Pass | ast.Continue)
        or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        for one in body
    )
