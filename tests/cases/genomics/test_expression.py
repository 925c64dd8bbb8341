"""Expression tables of either orientation become cases, or one clear line says why not."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT
from metadx.cases.genomics import find_scale, read_expression, read_studies
from metadx.errors import UserError

SAMPLES = (
    "sample,label,patient,site,TP53,BRCA1\ns1,ALL,p1,north,1.5,200\ns2,AML,p2,south,,3\ns3,ALL,p1,north,4,5\n"
)
GENES = (
    "gene,s1,s2,s3\nlabel,ALL,AML,ALL\npatient,p1,p2,p1\nsite,north,south,north\nTP53,1.5,,4\nBRCA1,200,3,5\n"
)
STUDY = 'GENES\tALL\tAML\tALL\n"1_at"\t10.0\t250.5\t10.0\n2_at\t10.0\t20.0\t30.0\n2_at\t7\t8\t900\n'


def write(folder: Path, content: str, name: str = "table.csv") -> Path:
    (folder / name).write_text(content)
    return folder / name


@pytest.mark.parametrize(("content", "way"), [(SAMPLES, "samples in rows"), (GENES, "genes in rows")])
def test_both_orientations_are_found_and_recorded(tmp_path: Path, content: str, way: str) -> None:
    cases = read_expression(write(tmp_path, content))
    assert cases.features == ("TP53", "BRCA1")
    np.testing.assert_array_equal(cases.x, [[1.5, 200], [np.nan, 3], [4, 5]])
    assert cases.classes == ("ALL", "AML")
    assert cases.patient.tolist() == ["p1", "p2", "p1"]
    assert cases.modality == "genomics"
    assert cases.site is not None
    assert cases.site.tolist() == ["north", "south", "north"]
    assert cases.name is not None
    assert cases.name.tolist() == ["s1", "s2", "s3"]
    assert cases.provenance.preprocessing[0] == f"{way} (found by where 'label' stands)"
    said = read_expression(tmp_path / "table.csv", orientation=way)  # type: ignore[arg-type]
    assert said.provenance.preprocessing[0] == f"{way} (said by the caller)"


def test_a_table_of_the_benchmark_has_its_labels_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "some-2002-v1_database.txt.gz"
    path.write_bytes(gzip.compress(STUDY.encode()))
    cases = read_studies(tmp_path, patients=EVERY_CASE_ITS_OWN_PATIENT)["some-2002-v1"]
    assert cases.features == ("1_at", "2_at", "2_at (2)")
    np.testing.assert_array_equal(cases.x[1], [250.5, 20, 8])
    assert cases.classes == ("ALL", "AML")
    assert (
        "scale found from the values: not logged (the largest value is 900)" in cases.provenance.preprocessing
    )
    assert "1 duplicates of genes kept, numbered from (2)" in cases.provenance.preprocessing
    with pytest.raises(UserError, match="no patient ids"):
        read_expression(path)
    with pytest.raises(UserError, match="no studies"):
        read_studies(tmp_path / "absent")
    with pytest.raises(UserError, match="genes are in rows"):
        read_expression(path, orientation="samples in rows")


def test_a_gene_that_comes_twice(tmp_path: Path) -> None:
    path = write(tmp_path, GENES + "TP53,2.5,6,\n")
    with pytest.raises(UserError, match="gene 'TP53' comes twice"):
        read_expression(path)
    mean = read_expression(path, duplicates="mean")
    assert mean.features == ("TP53", "BRCA1")
    np.testing.assert_array_equal(mean.x[:, 0], [2, 6, 4])
    assert read_expression(path, duplicates="number").features == ("TP53", "BRCA1", "TP53 (2)")
    across = write(tmp_path, SAMPLES.replace("BRCA1", "TP53"))
    with pytest.raises(UserError, match="gene 'TP53' comes twice"):
        read_expression(across)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([10.0, 16000, 200], "not logged"),
        ([-120.0, 16000, 200], "not logged"),
        ([-2.0, 0, 3.5], "log ratios or standardised"),
        ([2.5, 7.1, 14.2, 8.0], "logged"),
        ([0.1, 0.2, 0.15, 0.2, 30], "not logged"),
        ([np.nan], "not logged"),
    ],
)
def test_the_scale_is_found_from_the_values(values: list[float], scale: str) -> None:
    assert find_scale(np.asarray(values))[0] == scale


def test_what_is_known_of_scale_and_normalisation_is_recorded(tmp_path: Path) -> None:
    said = read_expression(write(tmp_path, SAMPLES), logged=True).provenance.preprocessing
    assert "scale said by the caller: logged" in said
    assert "normalisation: values as the file gives them, nothing done to them" in said
    rows = "".join(
        f"s{i},{'ab'[i % 2]},p{i},{','.join(map(str, np.roll([1, 2, 4, 8, 16], i)))}\n" for i in range(4)
    )
    alike = read_expression(
        write(tmp_path, "sample,label,patient,a,b,c,d,e\n" + rows)
    ).provenance.preprocessing
    assert any("quantile-normalised" in sentence for sentence in alike)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        (
            SAMPLES.replace("label", "class"),
            "is not a number. Write a number or leave it empty. Or is it samples in rows? There is no 'label'",
        ),
        (SAMPLES.replace(",1.5,", ",inf,"), "sample 's1', 'TP53': 'inf' is infinite"),
        (GENES.replace(",1.5,", ",1_5,"), "gene 'TP53', 's1': '1_5' is not a number"),
        (SAMPLES.replace(",1.5,", ",high,"), "'high' is not a number"),
        (SAMPLES.replace("ALL,p1", ",p1", 1), "'label' is missing in row 1"),
        (GENES.replace("p1,p2", "p1,?"), "'patient' is missing in column 2"),
        (SAMPLES.replace(",200", ""), "row 1 has 5 cells, the header 6"),
        (SAMPLES.replace("AML", "ALL"), "at least two conditions"),
        (SAMPLES.replace("BRCA1", ""), "gene 2 has no name"),
        (SAMPLES.replace("site", "label"), "two columns 'label'"),
        (GENES + "label,ALL,AML,ALL\n", "two rows are named 'label'"),
        (SAMPLES + "label,b,p,n,1,2\n", "'label' heads a column and a row"),
        (SAMPLES.splitlines()[0], "no values below the header"),
        ("sample,label,patient\ns1,a,1\n", "no genes"),
        (SAMPLES.replace("patient", "who"), "'p1' is not a number"),
        (SAMPLES.replace("s1,", 's"1,"'), "not a sound table"),
        (GENES.replace("patient,p1,p2,p1\n", ""), "There is no row 'patient'"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        read_expression(write(tmp_path, content))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_archive_and_too_many_values_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(SAMPLES.encode())[:-12])
    with pytest.raises(UserError, match="cannot be read"):
        read_expression(path)
    monkeypatch.setattr("metadx.cases.genomics.expression.MAX_VALUES", 5)
    with pytest.raises(UserError, match="more than 5 values"):
        read_expression(write(tmp_path, SAMPLES))


@pytest.mark.real_data
def test_every_study_at_hand(data_root: Path) -> None:
    studies = read_studies(data_root / "genomics/cancer_expression", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(studies) == 19
    assert all(np.isfinite(cases.x).all() for cases in studies.values())
    golub = studies["golub-1999-v2"]
    assert golub.x.shape == (72, 1868)
    assert golub.counts() == {"ALL-B": 38, "ALL-T": 9, "AML": 25}
    scales = {name: cases.provenance.preprocessing[1].partition(": ")[2] for name, cases in studies.items()}
    assert sum(scale.startswith("log ratios") for scale in scales.values()) == 7
    assert scales["khan-2001"].startswith("not logged")
