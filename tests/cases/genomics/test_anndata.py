"""AnnData files become cases, or one clear line says why not; nothing in them is trusted."""

import json
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT
from metadx.cases.genomics import read_anndata
from metadx.errors import UserError

pytest.importorskip("anndata", reason="needs anndata: pip install 'metadx[genomics]'")


def cells(**changed: Any) -> Any:
    import anndata
    import pandas
    from scipy import sparse

    counts = np.asarray([[0, 3, 1], [2, 0, 0], [5, 1, 0], [0, 0, 9]], dtype=np.float32)
    obs = pandas.DataFrame(
        {
            "cell_type": pandas.Categorical(["B", "T", "B", "T"]),
            "donor": ["d1", "d2", "d2", "d1"],
            "batch": [1, 1, 2, 2],
            "score": [0.5, np.nan, 1, 2],
        },
        index=[f"cell{i}" for i in range(4)],
    )
    var = pandas.DataFrame(index=changed.pop("genes", ["CD3", "CD19", "GAPDH"]))
    made = anndata.AnnData(changed.pop("x", np.log1p(counts)), obs=obs, var=var)
    made.layers["counts"] = sparse.csr_matrix(counts)
    for name, value in changed.items():
        made.obs[name] = value
    return made


def write(folder: Path, made: Any, kind: str = "zarr") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "h5ad":
            made.write_h5ad(folder / "cells.h5ad")
            return folder / "cells.h5ad"
        made.write_zarr(folder / "cells.zarr")
    if kind == "zarr":
        return folder / "cells.zarr"
    with zipfile.ZipFile(folder / "cells.zarr.zip", "w") as archive:
        for file in sorted((folder / "cells.zarr").rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder / "cells.zarr").as_posix())
    return folder / "cells.zarr.zip"


@pytest.mark.parametrize("kind", ["h5ad", "zarr", "zip"])
def test_each_container_gives_the_same_cells(tmp_path: Path, kind: str) -> None:
    made = cells()
    made.uns["log1p"] = {"base": 2.0}
    cases = read_anndata(write(tmp_path, made, kind), label="cell_type", patient="donor", site="batch")
    np.testing.assert_allclose(cases.x, made.X)
    assert cases.features == ("CD3", "CD19", "GAPDH")
    assert cases.classes == ("B", "T")
    assert cases.y.tolist() == [0, 1, 0, 1]
    assert cases.patient.tolist() == ["d1", "d2", "d2", "d1"]
    assert cases.site is not None
    assert cases.site.tolist() == ["1", "1", "2", "2"]
    assert cases.modality == "genomics"
    assert cases.provenance.preprocessing == (
        "values of X",
        "X is log1p by its own word (uns['log1p'])",
        "raw counts in layers['counts'], not used",
    )


def test_layers_and_raw_are_read_on_request(tmp_path: Path) -> None:
    made = cells()
    made.raw = made.copy()
    path = write(tmp_path, made[:, :2].copy())
    counts = read_anndata(path, label="cell_type", patient="donor", layer="counts")
    np.testing.assert_array_equal(counts.x, [[0, 3], [2, 0], [5, 1], [0, 0]])
    assert "layers/counts holds whole numbers: counts, not logged" in counts.provenance.preprocessing
    raw = read_anndata(path, label="cell_type", patient="donor", layer="raw")
    assert raw.features == ("CD3", "CD19", "GAPDH")
    with pytest.raises(UserError, match=r"no layers/scaled; there is X, counts"):
        read_anndata(path, label="cell_type", patient="donor", layer="scaled")


def test_labels_and_patients_are_asked_for_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, cells())
    with pytest.raises(UserError, match="no column 'celltype' in obs; did you mean 'cell_type'"):
        read_anndata(path, label="celltype")
    with pytest.raises(UserError, match="no patient ids"):
        read_anndata(path, label="cell_type")
    with pytest.raises(UserError, match=r"obs\['score'\] is missing in 1 of 4 cells"):
        read_anndata(path, label="score", patient="donor")
    vouched = read_anndata(path, label="cell_type", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(set(vouched.patient)) == 4


def test_a_file_without_labels_says_so(tmp_path: Path) -> None:
    made = cells()
    made.obs = made.obs[[]]
    with pytest.raises(UserError, match=r"no column 'cell_type' in obs \(there are none\)"):
        read_anndata(write(tmp_path, made), label="cell_type")


def test_infinite_values_and_genes_that_come_twice_are_refused(tmp_path: Path) -> None:
    x = np.ones((4, 3), np.float32)
    x[1, 2] = np.inf
    with pytest.raises(UserError, match="infinite in 1 places"):
        read_anndata(write(tmp_path, cells(x=x)), label="cell_type", patient="donor")
    x[1, 2] = np.nan
    assert np.isnan(read_anndata(write(tmp_path, cells(x=x)), label="cell_type", patient="donor").x[1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write(tmp_path, cells(genes=["A", "A", "B"]))
    with pytest.raises(UserError, match="gene 'A' comes twice"):
        read_anndata(path, label="cell_type", patient="donor")
    assert read_anndata(path, label="cell_type", patient="donor", duplicates="number").features[1] == "A (2)"


def test_claims_larger_than_memory_and_links_are_refused(tmp_path: Path) -> None:
    import h5py

    path = write(tmp_path, cells(), "h5ad")
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", shape=(10**7, 10**5), dtype="f4", chunks=(1000, 1000))
    with pytest.raises(UserError, match="claims"):
        read_anndata(path, label="cell_type", patient="donor")
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(UserError, match="is a link"):
        read_anndata(path, label="cell_type", patient="donor")


def test_pickles_are_refused_however_they_are_spelt(tmp_path: Path) -> None:
    folder = write(tmp_path, cells(), "zarr")
    metadata = next(
        file for file in (folder / "obs" / "donor").rglob("*") if file.name in (".zarray", "zarr.json")
    )
    content = json.loads(metadata.read_text())
    content["filters"] = [{"id": "pickle"}]
    metadata.write_text(json.dumps(content).replace("pickle", "\\u0070ickle"))
    with pytest.raises(UserError, match="pickles, which can run code"):
        read_anndata(folder, label="cell_type", patient="donor")


def test_other_files_and_a_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.h5ad").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="neither HDF5 nor zarr"):
        read_anndata(tmp_path / "x.h5ad", label="a")
    with pytest.raises(UserError, match="no such file"):
        read_anndata(tmp_path / "absent.h5ad", label="a")
    folder = write(tmp_path, cells(), "zarr")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"pip install 'metadx\[genomics\]'"):
        read_anndata(folder, label="cell_type")


@pytest.mark.real_data
def test_seven_hundred_blood_cells(data_root: Path) -> None:
    path = data_root / "genomics/pbmc68k_reduced/10x_pbmc68k_reduced.zarr.zip"
    cases = read_anndata(path, label="bulk_labels", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (700, 765)
    assert len(cases.classes) == 10
    assert cases.counts()["Dendritic"] == 240
    assert "raw counts in layers['counts'], not used" in cases.provenance.preprocessing
    assert cases.provenance.preprocessing[1].startswith(
        "scale found from the values: log ratios or standardised"
    )


def test_a_crash_of_the_library_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, cells(), "h5ad")
    monkeypatch.setattr("metadx.cases.genomics.apart._RUN", "import os; os.abort()")
    with pytest.raises(UserError, match="crashed the HDF5 library"):
        read_anndata(path, label="cell_type", patient="donor")
    monkeypatch.setattr("metadx.cases.genomics.apart._RUN", "import time; time.sleep(60)")
    monkeypatch.setattr("metadx.cases.genomics.apart._PATIENCE", 0.2)
    with pytest.raises(UserError, match="did not end"):
        read_anndata(path, label="cell_type", patient="donor")
