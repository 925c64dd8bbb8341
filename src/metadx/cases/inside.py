"""What lies in a folder, without what systems leave there, and without folders that hold themselves."""

from __future__ import annotations

from pathlib import Path, PurePath


def is_stray(path: PurePath) -> bool:
    """Whether a name is that of what macOS and others leave behind: hidden, or `__MACOSX`."""
    return path.name.startswith(".") or path.name == "__MACOSX"


def children(folder: Path) -> list[Path]:
    """Files and folders directly in a folder, in the order of their names; no link to a folder that holds it."""
    return sorted(child for child in folder.iterdir() if not is_stray(child) and not _returns(child))


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, in the order of their names; links to folders are not followed."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(is_stray(part) for part in map(PurePath, file.relative_to(folder).parts))
    ]


def _returns(child: Path) -> bool:
    return child.is_symlink() and child.is_dir() and child.parent.resolve().is_relative_to(child.resolve())
