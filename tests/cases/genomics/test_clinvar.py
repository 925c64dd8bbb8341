"""ClinVar variants on which laboratories agree or disagree, which is all that their label says."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from metadx.cases import entry, load
from metadx.cases.genomics import AGREE, DISAGREE, read_clinvar_conflicting
from metadx.cases.genomics.clinvar import NUMBERS
from metadx.errors import UserError

COLUMNS = (
    "CHROM",
    "POS",
    "REF",
    "ALT",
    "CLASS",
    "SYMBOL",
    "Consequence",
    "EXON",
    *NUMBERS,
    "IMPACT",
    "SIFT",
    "PolyPhen",
)


def row(**changed: str) -> str:
    cells = {
        **dict.fromkeys(COLUMNS, ""),
        "CHROM": "1",
        "POS": "955563",
        "REF": "G",
        "ALT": "C",
        "CLASS": "0",
        "SYMBOL": "AGRN",
        "Consequence": "missense_variant&splice_region_variant",
        "EXON": "1/4",
        "AF_ESP": "0.5",
        "CDS_position": "?-11",
        "Protein_position": "61-62",
        "IMPACT": "MODERATE",
        "SIFT": "tolerated",
        **changed,
    }
    return ",".join(cells[name] for name in COLUMNS) + "\n"


GOOD = (
    ",".join(COLUMNS) + "\n" + row() + row(ALT="T", CLASS="1") + row(POS="7", SYMBOL="", CLASS="1", IMPACT="")
)


def write(folder: Path, content: str) -> Path:
    (folder / "x.csv").write_text(content)
    return folder / "x.csv"


def test_the_label_is_what_laboratories_did(tmp_path: Path) -> None:
    cases = read_clinvar_conflicting(write(tmp_path, GOOD))
    assert cases.classes == (AGREE, DISAGREE) == ("laboratories agree", "laboratories disagree")
    assert cases.y.tolist() == [0, 1, 1]
    assert any("not pathogenicity" in note for note in cases.provenance.notes)
    assert cases.group is not None
    assert cases.name is not None
    assert cases.group.tolist() == ["AGRN", "AGRN", ""]
    assert cases.name.tolist() == ["1-955563-G-C", "1-955563-G-T", "1-7-G-C"]
    assert cases.patient.tolist() == ["1-955563", "1-955563", "1-7"]
    table = dict(zip(cases.features, cases.x.T, strict=True))
    assert table["consequence=missense_variant"][0] == table["consequence=splice_region_variant"][0] == 1
    assert table["place among the exons"][0] == 0.25
    assert table["Protein_position"][0] == 61
    assert table["CDS_position"][0] == 11
    assert np.isnan(table["cDNA_position"][0])
    assert table["SIFT=tolerated"][0] == 1
    np.testing.assert_array_equal(table["IMPACT=MODERATE"], [1, 1, np.nan])
    assert "AF_EXAC: allele frequency, ExAC" in cases.provenance.preprocessing
    assert not any("CLNDN" in name or "CLASS" in name for name in cases.features)


def test_what_macos_leaves_in_a_zip_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._x.csv", b"\0\5\26\7 no text")
        archive.writestr("x.csv", GOOD)
    assert len(read_clinvar_conflicting(path)) == 3
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.csv", GOOD)
    with pytest.raises(UserError, match=r"2 files inside that end in \.csv"):
        read_clinvar_conflicting(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.replace("SYMBOL", "GENE"), "no column SYMBOL"),
        (GOOD.replace("0.5", "inf"), "row 1: AF_ESP 'inf' is no number"),
        (GOOD.replace("0.5", "often"), "row 1: AF_ESP 'often' is no number"),
        (GOOD.replace("955563", "-1", 1), "row 1: POS '-1' is no position"),
        (GOOD.replace(",G,C,", ",G,?,", 1), "row 1: ALT '?' is not made of bases"),
        (GOOD.replace(",1,AGRN", ",2,AGRN"), "row 2: CLASS '2' is neither 0"),
        (GOOD.replace(",1,AGRN", ",0,AGRN").replace(",1,,", ",0,,"), "every variant has the same CLASS"),
        (GOOD + "1,2\n", "row 4 has 2 cells"),
        ("", "no column CHROM"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        read_clinvar_conflicting(write(tmp_path, content))
    assert said in str(error.value)


@pytest.mark.real_data
def test_335_genes_have_ten_variants_of_each_kind(data_root: Path) -> None:
    cases = load("clinvar_conflicting", allow_unverified=True)
    assert len(cases) == entry("clinvar_conflicting").cases
    assert cases.counts() == {AGREE: 48_754, DISAGREE: 16_434}
    assert cases.group is not None
    genes, index = np.unique(cases.group, return_inverse=True)
    assert len(genes) - ("" in genes) == 2_328
    disagree = np.bincount(index, weights=cases.y)
    agree = np.bincount(index, weights=1 - cases.y)
    assert int(((disagree >= 10) & (agree >= 10) & (genes != "")).sum()) == 335
    assert cases.name is not None
    assert len(set(cases.name)) == len(cases)
    assert not np.isinf(cases.x).any()
