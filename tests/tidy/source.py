"""
The project's own text, read once for the rules of this directory.
"""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "spark"
#: Directories of ours that begin with a dot; others of that kind are caches.
_DOTTED: Final = frozenset({".ci"})
_MADE: Final = frozenset({"__pycache__", "backups", "build", "dist", "evidence"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module or name, with the line that asks for it."""

    line: int
    target: str
    #: Only a type checker follows it; no circle comes of it.
    is_for_types: bool = False


@dataclass(frozen=True)
class Module:
    """One Python file: its dotted name, where it stands, its text and its tree."""

    name: str
    path: str
    text: str
    tree: ast.Module

    def at(self, line: int, words: str) -> str:
        """Compose a finding that an editor can jump to."""
        return f"{self.path}:{line}: {words}"

    def imports(self) -> Iterator[Import]:
        """Walk all imports, those inside functions too; `from a import b` gives `a.b`."""
        for_types = {
            id(inner)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    targets = [alias.name for alias in names]
                case ast.ImportFrom(module=base, names=names):
                    targets = [f"{base or ''}.{alias.name}" for alias in names]
                case _:
                    continue
            for target in targets:
                yield Import(node.lineno, target, id(node) in for_types)

    def imported_modules(self, known: frozenset[str]) -> Iterator[Import]:
        """Walk the imports of our own modules, each by the module's name."""
        for found in self.imports():
            owner = found.target
            while owner and owner not in known:
                owner = owner.rpartition(".")[0]
            if owner:
                yield replace(found, target=owner)


def module_of(name: str, text: str) -> Module:
    """Read a text as the module of a name; the samples of the tests are made so."""
    return Module(name, f"{name.replace('.', '/')}.py", text, ast.parse(text))


@cache
def product_modules() -> tuple[Module, ...]:
    """Read every module of the package."""
    return _modules(PACKAGE)


@cache
def modules_of_tests() -> tuple[Module, ...]:
    """Read every module of the tests."""
    return _modules("tests")


def names_of(modules: tuple[Module, ...]) -> frozenset[str]:
    """List the modules' names."""
    return frozenset(module.name for module in modules)


@cache
def text_files() -> dict[str, str]:
    """
    Read every text that the repository holds, Python and other.

    Returns: text by path; what git ignores is left out, or, without git, what only a
        build makes.
    """
    found: dict[str, str] = {}
    for path in _listed():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            # A picture, or a file that is deleted but still listed.
            continue
    return found


def _modules(package: str) -> tuple[Module, ...]:
    made = []
    for path in sorted((ROOT / package).rglob("*.py")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text(encoding="utf-8")
        made.append(Module(name, str(relative), text, ast.parse(text)))
    assert made, f"nothing found below {ROOT / package}"
    return tuple(made)


def _listed() -> list[Path]:
    git = shutil.which("git")
    if git is not None:
        # A checkout that another user owns is read here, nothing of it is executed.
        command = [git, "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout:
            return [ROOT / name for name in done.stdout.split("\0") if name]
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and not any(map(_is_made, path.relative_to(ROOT).parent.parts))
    ]


def _is_made(directory: str) -> bool:
    is_cache = directory.startswith(".") and directory not in _DOTTED
    return is_cache or directory in _MADE or directory.endswith(".egg-info")
