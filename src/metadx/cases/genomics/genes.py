"""Genes that a table names twice."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError

Duplicates = Literal["refuse", "mean", "number"]


def unique_genes(
    x: NDArray[np.float64], genes: list[str], how: Duplicates, path: Path
) -> tuple[NDArray[np.float64], list[str], tuple[str, ...]]:
    """Values and names of genes that are all different, with a sentence on what was done.

    Args:
        x: shape (samples, genes), NaN where missing.
        genes: the name of each column.
        how: "refuse"; "mean" of the values that are known; or "number", which calls the second `gene (2)`.
        path: the file, to name in an error.

    Raises:
        UserError: a gene comes twice, and `how` is "refuse".
    """
    first: dict[str, int] = {}
    for gene in genes:
        first.setdefault(gene, len(first))
    if len(first) == len(genes):
        return x, genes, ()
    extra = len(genes) - len(first)
    if how == "refuse":
        twice = next(gene for gene in genes if genes.count(gene) > 1)
        raise UserError(
            f"{path}: gene '{twice[:60]}' comes twice ({extra} such rows or columns). Name the probes apart, or "
            "say duplicates='mean' or duplicates='number'."
        )
    if how == "mean":
        place = np.asarray([first[gene] for gene in genes])
        merged = np.full((len(x), len(first)), np.nan)
        for at in range(len(first)):
            same = x[:, place == at]
            seen = np.isfinite(same)
            count = seen.sum(1)
            merged[:, at] = np.where(count > 0, np.where(seen, same, 0).sum(1) / np.maximum(count, 1), np.nan)
        return merged, list(first), (f"{extra} duplicates of genes merged into their mean",)
    return x, _numbered(genes), (f"{extra} duplicates of genes kept, numbered from (2)",)


def _numbered(genes: list[str]) -> list[str]:
    taken, counts, names = set(genes), dict[str, int](), []
    for gene in genes:
        counts[gene] = counts.get(gene, 0) + 1
        name = gene
        if counts[gene] > 1:
            while (name := f"{gene} ({counts[gene]})") in taken:
                counts[gene] += 1
            taken.add(name)
        names.append(name)
    return names
