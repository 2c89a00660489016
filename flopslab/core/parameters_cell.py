"""The parameters of a notebook, told from the other variables in its kernel.

A parameter is what the parameters cell annotates (`passes: int = 3`), or what papermill's injected
cell, which begins with `# Parameters`, sets. A mistyped one is among them and so is noticed; every
other variable in the kernel is the user's own.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flopslab.errors import ParameterError

_INJECTED = "# Parameters"
_OF_PAPERMILL = "PAPERMILL_"  # names that papermill itself can inject


def cell_parameters(namespace: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The parameters in a notebook's namespace, `globals()`, by name, with their present values.

    `fields`: the names that parameters can have; a cell that annotates any of them is a parameters
    cell. Outside of a notebook every annotated name is a parameter. Raises ParameterError if there
    is none.
    """
    fields = set(fields)
    cells = [(source, tree) for source in namespace.get("In", []) if (tree := _parse(source))]
    names = _current_names([_cell_names(tree, fields) for _, tree in cells])
    injected = [tree for source, tree in cells if source.startswith(_INJECTED)]
    names += _assigned(injected[-1]) if injected else []
    names = names or list(namespace.get("__annotations__", {}))
    if not names:
        raise ParameterError(
            "a notebook's parameters cell",
            "no annotated parameter",
            "write them as `passes: int = 3` in one cell, before this one",
        )
    return {
        name: namespace[name]
        for name in dict.fromkeys(names)
        if name in namespace and not name.startswith(_OF_PAPERMILL)
    }


def _current_names(cells: Sequence[Sequence[str]]) -> list[str]:
    """The annotated names of the cells (oldest first), without those that were corrected since.

    A cell that was run again, with a mistyped name put right, repeats most of the names that it
    had.
    """
    return [
        name
        for index, names in enumerate(cells)
        if not any(2 * len({*names} & {*later}) >= len(names) for later in cells[index + 1 :])
        for name in names
    ]


def _parse(source: str) -> ast.Module | None:
    """The cell's syntax tree; None for one with magic commands or mistakes in it."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _cell_names(tree: ast.Module, fields: set[str]) -> list[str]:
    """The annotated names of a cell, if it is a parameters cell."""
    nodes = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    return names if fields & set(names) else []


def _assigned(tree: ast.Module) -> list[str]:
    """The names that a cell assigns."""
    targets = [
        target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
    ]
    return [target.id for target in targets if isinstance(target, ast.Name)]
