"""Readers as rows of the contract on damaged files: a sound set of each kind, and what reads it."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cases.making import TASKS, write_medimeta, write_scans
from cases.test_scans import write_series
from metadx.cases import (
    EVERY_CASE_ITS_OWN_PATIENT,
    Cases,
    Reading,
    Scans,
    read_files,
    read_folders,
    read_medimeta,
    read_medmnist,
    read_omniglot,
    read_packed,
    read_scan_folders,
    read_table,
    read_thyroid,
)
from metadx.cases.genomics import read_expression, read_genotypes
from metadx.cases.signals import read_icu, read_series, read_ucr, read_visits
from metadx.cases.thyroid import LABS

VOUCHED = EVERY_CASE_ITS_OWN_PATIENT


@dataclass(frozen=True)
class Reader:
    """One reader.

    Args:
        name: what test ids call it.
        write: writes a sound set into a folder; the files that are damaged, one at a time.
        read: reads the set that lies in the folder.
        exact: whether its files carry checksums, so that a damaged one is refused or reads as if it were sound.
        gaps: whether NaN may stand for what is missing.
        said: the numbers that the text of the set says, where every value read must be one of them.
        quick: how many the suite reads.
    """

    name: str
    write: Callable[[Path], Sequence[Path]]
    read: Callable[[Path], Cases]
    exact: bool = False
    gaps: bool = False
    said: Callable[[Path], set[float]] | None = None
    quick: int = 60


def text_of(name: str, content: str) -> Callable[[Path], Sequence[Path]]:
    """A set of one text file."""

    def write(folder: Path) -> Sequence[Path]:
        (folder / name).write_text(content, encoding="utf-8")
        return [folder / name]

    return write


def numbers_in(name: str) -> Callable[[Path], set[float]]:
    """The numbers that stand between separators in a text file, and 0 and 1, which words become."""

    def said(folder: Path) -> set[float]:
        content = (folder / name).read_bytes()
        text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8", "replace")
        found = {0.0, 1.0}
        for cell in re.split(r"[\s,;\"]+", text):
            try:
                found.add(float(cell))
            except ValueError:
                continue
        return {number for number in found if np.isfinite(number)}

    return said


TABLE = """label,patient,site,time,age,sex,tsh,ft4
hypo,p01,north,2024-01-09,61,F,48.0,5.1
hypo,p02,north,2024-02-11,54,F,31.5,
hyper,p02,south,2024-03-20,54,F,22.0,7.9
hyper,p03,south,2024-01-30,38,M,0.01,41.2
"""
UCR = "1\t0.5\t-2.25\t3.125\n2\t7\t8.5\t-9\n1\t0.25\t1\t2\n"
SERIES = (
    "patient,time,label,hr [1/min],rr\np1,0,a,60,\np1,1,a,62,12\np1,3,a,64,13\np2,0,b,70,14\np2,2,b,72,15\n"
)
VISITS = "who,day,voice,other,score\nb,0.2,1,9,10\nb,0.7,3,9,12\nb,7.1,,9,20\na,-0.5,5,9,1\na,3,6,9,2\n"
STUDY = 'GENES\tALL\tAML\tALL\n"1_at"\t10.0\t250.5\t10.0\n2_at\t10.0\t20.0\t30.0\n3_at\t7\t8\t900\n'
VCF = """##fileformat=VCFv4.2
##INFO=<ID=AF,Number=A,Type=Float,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\ts3
1\t10\t.\tA\tG,T\t50\tPASS\tAF=0.1,0.2\tGT\t0/1\t1|2\t./.
X\t20\trs1\tCG\tC\t.\t.\t.\tGT\t0\t1\t1
"""


def thyroid_text() -> str:
    """A few patients in the layout of thyroid0387."""
    header = ["age", "sex", *LABS, *(f"{lab}_measured" for lab in LABS), "target", "patient_id"]
    rows = [
        ["29", "F", "1.3", "2.5", "125", "1.1", "114", "", *["t"] * 5, "f", "-", "1"],
        ["455", "M", "", "2", "101", "0.9", "112", "", *["f"] * 6, "F", "2"],
        ["71", "F", "9.5", "", "61", "1", "61", "26", *["t"] * 6, "GK", "3"],
    ]
    return "\n".join(",".join(row) for row in [header, *rows]) + "\n"


def pictures(suffix: str) -> Callable[[Path], Sequence[Path]]:
    """Class folders of small pictures, grey or, as JPEG, in colour."""

    def write(folder: Path) -> Sequence[Path]:
        rng = np.random.default_rng(0)
        for at in range(4):
            place = folder / "set" / "ab"[at % 2] / f"p{at}_x{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shape = (12, 10, 3) if suffix == ".jpg" else (12, 10)
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(place)
        return sorted((folder / "set").rglob(f"*{suffix}"))

    return write


def archive(**arrays: Any) -> Callable[[Path], Sequence[Path]]:
    """One .npz archive."""

    def write(folder: Path) -> Sequence[Path]:
        np.savez_compressed(folder / "set.npz", **arrays)
        return [folder / "set.npz"]

    return write


def _medmnist(shape: tuple[int, ...], labels: int) -> Callable[[Path], Sequence[Path]]:
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 6), ("val", 4), ("test", 4)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count)[:, None] // (1 + np.arange(labels)) % 2).astype(
            np.uint8
        )
    return archive(**arrays)


def _packed() -> Callable[[Path], Sequence[Path]]:
    rng = np.random.default_rng(0)
    return archive(
        images=rng.integers(0, 256, (6, 7, 8, 3), dtype=np.uint8),
        labels=np.arange(6) % 2,
        class_names=np.array(["a", "b"]),
        groups=np.array([f"g{at // 2}" for at in range(6)]),
        files=np.array([f"p{at}_x.png" for at in range(6)]),
    )


def omniglot(folder: Path) -> Sequence[Path]:
    """The two official archives, of two characters of two drawers each."""
    for name, alphabet in (("background", "Greek"), ("evaluation", "Tengwar")):
        with zipfile.ZipFile(folder / f"images_{name}.zip", "w") as out:
            for at in range(4):
                picture = io.BytesIO()
                Image.new("1", (105, 105), at % 2).save(picture, "PNG")
                place = f"images_{name}/{alphabet}/character0{1 + at // 2}/000{at}_0{1 + at % 2}.png"
                out.writestr(place, picture.getvalue())
    return sorted(folder.glob("*.zip"))


def medimeta(folder: Path) -> Sequence[Path]:
    """A MedIMeta folder with pictures as TIFF; those in HDF5 are read in processes of their own."""
    root = write_medimeta(folder / "set", count=12, side=5, tasks=TASKS[:4], packed=False)
    return [
        root / "info.yaml",
        root / "annotations.csv",
        root / "task_labels" / "cell type.npy",
        root / "splits" / "train.txt",
        root / "images" / "000003.tiff",
    ]


def nifti(folder: Path) -> Sequence[Path]:
    """Class folders of gzipped NIfTI."""
    return sorted(write_scans(folder / "set", scans=2, side=4).rglob("*.nii.gz"))


def series(folder: Path) -> Sequence[Path]:
    """Class folders of DICOM series."""
    for at in range(2):
        write_series(folder / "set" / "ab"[at] / "s", f"p{at}", 2)
    return sorted(file for file in (folder / "set").rglob("IM*"))


def stays(folder: Path) -> Sequence[Path]:
    """Two stays in an archive, and what became of them."""
    outcomes = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n1,6,1,5,-1,0\n2,1,1,1,3,1\n"
    (folder / "Outcomes-a.txt").write_text(outcomes)
    with tarfile.open(folder / "set-a.tar.gz", "w:gz") as out:
        for record in (1, 2):
            rows = f"00:00,RecordID,{record}\n00:00,Age,54\n00:00,ICUType,{record}\n01:30,HR,80\n"
            content = ("Time,Parameter,Value\n" + rows).encode()
            info = tarfile.TarInfo(f"set-a/{record}.txt")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return [folder / "Outcomes-a.txt", folder / "set-a.tar.gz"]


def zipped_study(folder: Path) -> Sequence[Path]:
    """A study as the benchmark's copies are, gzipped."""
    (folder / "a_database.txt.gz").write_bytes(gzip.compress(STUDY.encode(), mtime=0))
    return [folder / "a_database.txt.gz"]


def _read_visits(folder: Path) -> Cases:
    return read_visits(folder / "v.csv", patient="who", time="day", target="score", leave_out=["other"])


def _manifest(folder: Path) -> Sequence[Path]:
    files = pictures(".png")(folder)
    rows = [f"{file.parent.name},p{at},{file.relative_to(folder)}" for at, file in enumerate(files)]
    (folder / "m.csv").write_text("\n".join(["label,patient,path", *rows]) + "\n")
    return [folder / "m.csv"]


READERS = (
    Reader(
        "table",
        text_of("t.csv", TABLE),
        lambda f: read_table(f / "t.csv", patients=VOUCHED),
        gaps=True,
        said=numbers_in("t.csv"),
    ),
    Reader("manifest", _manifest, lambda f: read_table(f / "m.csv", patients=VOUCHED), exact=False),
    Reader(
        "class folders, PNG",
        pictures(".png"),
        lambda f: read_folders(f / "set", patients=VOUCHED),
        exact=True,
    ),
    Reader("class folders, JPEG", pictures(".jpg"), lambda f: read_folders(f / "set", patients=VOUCHED)),
    Reader("class folders, TIFF", pictures(".tif"), lambda f: read_folders(f / "set", patients=VOUCHED)),
    Reader(
        "MedMNIST", _medmnist((9, 8), 1), lambda f: read_medmnist(f / "set.npz", patients=VOUCHED), exact=True
    ),
    Reader(
        "MedMNIST, volumes",
        _medmnist((5, 6, 7), 1),
        lambda f: read_files(f / "set.npz", Reading(patients=VOUCHED)),
        exact=True,
    ),
    Reader(
        "MedMNIST, several labels",
        _medmnist((9, 8, 3), 3),
        lambda f: read_medmnist(f / "set.npz", ["a", "b", "c"], label="b", patients=VOUCHED),
        exact=True,
    ),
    Reader(
        "packed",
        _packed(),
        lambda f: read_packed(f / "set.npz", patient_array="files", patient_pattern=r"^(p\d)_"),
        exact=True,
    ),
    Reader("Omniglot", omniglot, read_omniglot, quick=20),
    Reader("MedIMeta", medimeta, lambda f: read_medimeta(f / "set", task="cell type", patients=VOUCHED)),
    Reader(
        "MedIMeta, several labels",
        medimeta,
        lambda f: read_medimeta(f / "set", task="signs", label="scar", patients=VOUCHED),
        quick=20,
    ),
    Reader(
        "NIfTI volumes", nifti, lambda f: read_scan_folders(f / "set", patients=VOUCHED), exact=True, quick=30
    ),
    Reader(
        "DICOM slices",
        series,
        lambda f: read_scan_folders(f / "set", Scans(slices=1), patients=VOUCHED),
        quick=30,
    ),
    Reader("DICOM pictures", series, lambda f: read_folders(f / "set", patients=VOUCHED), quick=30),
    Reader("visits", text_of("v.csv", VISITS), _read_visits, gaps=True),
    Reader("stays", stays, read_icu, gaps=True),
    Reader(
        "UCR",
        text_of("A_TRAIN.tsv", UCR),
        lambda f: read_ucr(f, patients=VOUCHED),
        gaps=True,
        said=numbers_in("A_TRAIN.tsv"),
    ),
    Reader(
        "series", text_of("s.csv", SERIES), lambda f: read_series(f / "s.csv", step=1, duration=4), gaps=True
    ),
    Reader("thyroid", text_of("t.csv", thyroid_text()), lambda f: read_thyroid(f / "t.csv"), gaps=True),
    Reader(
        "expression",
        text_of("a_database.txt", STUDY),
        lambda f: read_expression(f / "a_database.txt", patients=VOUCHED),
        gaps=True,
        said=numbers_in("a_database.txt"),
    ),
    Reader(
        "expression, gzipped",
        zipped_study,
        lambda f: read_expression(f / "a_database.txt.gz", patients=VOUCHED),
        exact=True,
    ),
    Reader(
        "genotypes",
        text_of("v.vcf", VCF),
        lambda f: read_genotypes(f / "v.vcf", {"s1": "ill", "s2": "well", "s3": "ill"}),
        gaps=True,
    ),
)

PROVEN_ELSEWHERE = {
    "read_anndata": "cases/genomics/test_anndata.py",
    "read_arff": "cases/clinical/test_arff.py",
    "read_beats": "cases/signals/test_beats.py",
    "read_clinvar_conflicting": "cases/genomics/test_clinvar.py",
    "read_glucose": "cases/signals/test_glucose.py",
    "read_heart_disease": "cases/clinical/test_heart_disease.py",
    "read_parquet": "cases/clinical/test_parquet.py",
    "read_saturation": "cases/genomics/test_saturation.py",
    "read_vcf": "cases/genomics/test_vcf.py",
    "read_windows": "cases/genomics/test_windows.py",
}
"""Readers whose ten thousand damaged files are read beside their other tests."""
