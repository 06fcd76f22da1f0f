"""Which code a module can reach, and which libraries there are: what a result of it depends on."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

# Where the project's code lies, and where the data files that code names may lie.
PACKAGES = ("quality_gate", "steps", "bentos")
DATA_FOLDERS = ("expectations",)

DISTRIBUTION = "visual-quality-gate"
# Of extras that no step works with.
_BESIDE = re.compile(r"extra\s*==\s*['\"](dev|cluster)['\"]")
_TEMPLATE = re.compile(r"['\"]([\w./-]+\.j2)['\"]")


def library_versions() -> dict[str, str]:
    """Installed versions of Python and of the libraries the project names, those that no step works with left out."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return found
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if name != DISTRIBUTION and not _BESIDE.search(requirement):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
    return found


class CodeIndex:
    """The modules and data files of the project, and what each of them uses.

    Nothing is imported: imports are read from the source, those inside functions included, those under
    ``if TYPE_CHECKING`` not. A string that names a file or folder by its path below the root, a template by its file
    name, or a module by its dotted name counts as a use of it.

    Args:
        root: the folder that holds the packages; by default the one this module was imported from.
        leave_out: modules whose code does not count, nor what they alone use.
    """

    def __init__(self, root: Path | None = None, *, leave_out: Iterable[str] = ()) -> None:
        self._root = root or Path(__file__).resolve().parent.parent
        self._left_out = frozenset(leave_out)
        self._modules: dict[str, Path] = {}
        self._named: dict[str, set[Path]] = {}
        self._uses: dict[Path, frozenset[Path]] = {}
        for path in self._files():
            relative = path.relative_to(self._root)
            self._name(relative.as_posix(), path)
            if path.suffix == ".py":
                self._modules[_dotted(relative)] = path
            elif relative.parts[0] in DATA_FOLDERS:
                self._name(relative.parts[0], path)
            else:
                self._name(relative.name, path)

    def digest(self, module: str) -> str:
        """SHA-256 over the names and contents of all files that ``module`` can reach; wherever the project lies.

        Raises:
            KeyError: the project has no such module.
        """
        return _digest_of_files(self.reachable(module), self._root)

    def digest_of_all(self) -> str:
        """SHA-256 over the names and contents of all code and data files of the project; wherever it lies."""
        return _digest_of_files(self._files(), self._root)

    def reachable(self, module: str) -> frozenset[Path]:
        """The files a module can reach, its own and the packages around it included.

        Raises:
            KeyError: the project has no such module.
        """
        found: set[Path] = set()
        waiting = {self._modules[module], *self._module_and_packages(module)}
        while waiting:
            path = waiting.pop()
            found.add(path)
            waiting |= self._used_by(path) - found
        return frozenset(found)

    def _files(self) -> Iterator[Path]:
        for folder in (*PACKAGES, *DATA_FOLDERS):
            for path in (self._root / folder).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path

    def _name(self, name: str, path: Path) -> None:
        self._named.setdefault(name, set()).add(path)

    def _used_by(self, path: Path) -> frozenset[Path]:
        if path not in self._uses:
            text = path.read_text(encoding="utf-8") if path.suffix in (".py", ".j2") else ""
            if path.suffix == ".py":
                self._uses[path] = frozenset(self._used_by_module(path, ast.parse(text)))
            else:
                names = _TEMPLATE.findall(text)
                self._uses[path] = frozenset(file for name in names for file in self._named.get(name, ()))
        return self._uses[path]

    def _used_by_module(self, path: Path, tree: ast.Module) -> Iterator[Path]:
        relative = path.relative_to(self._root)
        package = list(relative.parent.parts)
        for node in _executed(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._module_and_packages(alias.name)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                for name in (base, *(f"{base}.{alias.name}" for alias in node.names)):
                    yield from self._module_and_packages(name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._named.get(node.value, ())
                if "." in node.value:
                    yield from self._module_and_packages(node.value.partition(":")[0], whole=True)

    def _module_and_packages(self, name: str, *, whole: bool = False) -> Iterator[Path]:
        """Files of a module and of the packages around it, which Python runs first.

        Args:
            name: dotted; its last part may be something in a module.
            whole: whether all of the name must be a module.
        """
        if whole and name not in self._modules:
            return
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            module = ".".join(parts[:length])
            if module in self._modules and module not in self._left_out:
                yield self._modules[module]


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, except what stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _asks_for_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _executed(other)
        else:
            yield child
            yield from _executed(child)


def _asks_for_type_checking(test: ast.expr) -> bool:
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    return name == "TYPE_CHECKING"


def _dotted(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _digest_of_files(paths: Iterable[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
