"""VCF is read strictly, as htslib reads it where both do, and each variant or sample becomes a case."""

from pathlib import Path

import numpy as np
import pytest

from metadx.cases.genomics import parse_vcf, read_genotypes, read_vcf
from metadx.cases.genomics.alleles import ALLELE_FEATURES, allele_features
from metadx.cases.genomics.annotation import Annotation, annotate, impact_of
from metadx.errors import UserError

HEADER = """##fileformat=VCFv4.2
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele, frequency">
##INFO=<ID=SIG,Number=A,Type=String,Description="what an experiment said">
##INFO=<ID=ANN,Number=.,Type=String,Description="Functional annotations: 'Allele | Annotation'">
##INFO=<ID=CSQ,Number=.,Type=String,Description="VEP. Format: Allele|Consequence|SYMBOL|IMPACT">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\ts3
"""
ANN = "ANN=G|missense_variant|MODERATE|BRCA1|x,T|synonymous_variant|LOW|BRCA1|x,G|stop_gained|HIGH|NBR1|x"
LINES = (
    f"17\t200\trs1\tA\tG,T\t50\tPASS\tAF=0.1,0.2;SIG=lost,kept;DB;{ANN}\tGT:DP\t0/1:9\t1|2:8\t./1:.",
    "17\t100\t.\tCGT\tCGG\t.\tq10;s50\tAF=0.5;SIG=kept\tGT\t0/0\t.\t1/1",
    "X\t5\t.\tG\tGAC\t9\t.\tAF=.;SIG=lost;CSQ=AC|frameshift_variant|XG|\tGT\t1\t0\t0/1",
    "X\t9\t.\tTAA\t<DEL>\t9\tPASS\tSIG=lost\tGT\t1\t0\t0/1",
    "X\t11\t.\tTAA\tT\t9\tPASS\tAF=0.3\tGT\t1\t0\t0/1",
)
GOOD = HEADER + "\n".join(LINES) + "\n"


def write(folder: Path, content: str) -> Path:
    (folder / "x.vcf").write_text(content)
    return folder / "x.vcf"


def test_one_case_per_allele_with_gene_and_name(tmp_path: Path) -> None:
    cases = read_vcf(write(tmp_path, GOOD), label="SIG", info=["AF"])
    assert cases.name is not None
    assert cases.group is not None
    assert cases.name.tolist() == ["17-200-A-G", "17-200-A-T", "17-100-CGT-CGG", "X-5-G-GAC"]
    assert cases.group.tolist() == ["NBR1", "BRCA1", "", "XG"]
    assert cases.patient.tolist() == ["17-200", "17-200", "17-100", "X-5"]
    assert [cases.classes[y] for y in cases.y] == ["lost", "kept", "kept", "lost"]
    table = dict(zip(cases.features, cases.x.T, strict=True))
    nan = np.nan
    np.testing.assert_array_equal(table["substitution"], [1, 1, 1, 0])
    np.testing.assert_array_equal(table["transition"], [1, 0, 0, nan])
    np.testing.assert_array_equal(table["insertion"], [0, 0, 0, 1])
    np.testing.assert_array_equal(table["length change"], [0, 0, 0, 2])
    np.testing.assert_array_equal(table["AF"], [0.1, 0.2, 0.5, nan])
    np.testing.assert_array_equal(table["passed filters"], [1, 1, 0, nan])
    np.testing.assert_array_equal(table["quality"], [50, 50, nan, 9])
    np.testing.assert_array_equal(table["frequency among samples"], [0.5, 0.25, 0.5, 0.5])
    np.testing.assert_array_equal(table["impact=HIGH"], [1, 0, nan, 1])
    assert cases.provenance.preprocessing == (
        "one case per alternative allele",
        "genes and impacts by ANN, CSQ",
        "1 symbolic alleles left out",
        "1 without a label left out",
        "positions are not in order, and stay so",
    )


def test_labels_by_name_and_conditions(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    named = read_vcf(path, label={"17-200-A-G": "bad", "X-11-TAA-T": "good"})
    assert named.classes == ("bad", "good")
    kept = read_vcf(path, label="SIG", conditions={"lost": "loss of function", "kept": "functional"})
    assert kept.classes == ("functional", "loss of function")
    with pytest.raises(UserError, match="at least two conditions"):
        read_vcf(path, label="SIG", conditions={"lost": "loss of function"})
    with pytest.raises(UserError, match="no allele has a label"):
        read_vcf(path, label={"chr17-200-A-G": "bad"})
    with pytest.raises(UserError, match="no INFO field 'CLNSIG'"):
        read_vcf(path, label="CLNSIG")
    with pytest.raises(UserError, match="no INFO field 'DP'"):
        read_vcf(path, label="SIG", info=["DP"])
    with pytest.raises(UserError, match="is 'lost', no number"):
        read_vcf(path, label="SIG", info=["SIG"])


def test_samples_as_cases_whatever_their_copies(tmp_path: Path) -> None:
    cases = read_genotypes(write(tmp_path, GOOD), {"s1": "ill", "s2": "well", "s3": "ill"})
    assert cases.patient.tolist() == ["s1", "s2", "s3"]
    assert cases.features[:3] == ("17-200-A-G", "17-200-A-T", "17-100-CGT-CGG")
    nan = np.nan
    np.testing.assert_array_equal(cases.x[:, :4], [[0.5, 0, 0, 1], [0.5, 0.5, nan, 0], [nan, nan, 1, 0.5]])
    with pytest.raises(UserError, match="no sample 's9'"):
        read_genotypes(tmp_path / "x.vcf", {"s1": "a", "s9": "b"})
    with pytest.raises(UserError, match="comes twice"):
        read_genotypes(write(tmp_path, GOOD + LINES[2] + "\n"), {"s1": "a", "s2": "b"})


@pytest.mark.parametrize(
    ("reference", "alternative", "features"),
    [
        ("A", "G", [1, 1, 0, 0, 0, 0]),
        ("C", "A", [1, 0, 0, 0, 0, 0]),
        ("G", "GAC", [0, np.nan, 1, 0, 0, 2]),
        ("TAA", "T", [0, np.nan, 0, 1, 0, -2]),
        ("TCGGT", "GCGGG", [0, np.nan, 0, 0, 1, 0]),
        ("TCGGT", "GCGGT", [1, 0, 0, 0, 0, 0]),
        ("-", "AC", [0, np.nan, 1, 0, 0, 2]),
        ("AAA", "AA", [0, np.nan, 0, 1, 0, -1]),
    ],
)
def test_shared_letters_do_not_count(reference: str, alternative: str, features: list[float]) -> None:
    assert len(features) == len(ALLELE_FEATURES)
    np.testing.assert_array_equal(allele_features(reference, alternative), features)


def test_annotations_of_every_kind(tmp_path: Path) -> None:
    eff = "EFF=DOWNSTREAM(MODIFIER||||85|FAM138A|x|C|T1|),NON_SYNONYMOUS(MODERATE|x|x|x|1|WASH7P|x|CODING|T2|1|1)"
    clinvar = "GENEINFO=BRCA2:675|X:1;MC=SO:0001583|missense_variant,SO:1|intron_variant"
    vcf = parse_vcf(
        write(
            tmp_path,
            HEADER.split("\tFORMAT")[0] + f"\n1\t5\t.\tA\tG\t.\t.\t{eff}\n1\t6\t.\tA\tG\t.\t.\t{clinvar}\n",
        )
    )
    assert vcf.samples == ()
    assert vcf.ordered
    first, second = (annotate(record, 1, vcf.declared) for record in vcf.records)
    assert first == (Annotation("WASH7P", "non_synonymous", "MODERATE"), "EFF")
    assert second == (Annotation("BRCA2", "missense_variant", "MODERATE"), "GENEINFO")
    assert impact_of("intron_variant&stop_gained") == "HIGH"
    assert impact_of("anything else") == "MODIFIER"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("##fileformat=VCFv4.2\n", "", "the first line is no '##fileformat"),
        ("#CHROM\tPOS", "#CHROM POS", "line 6 should be the header"),
        ("\tINFO\tFORMAT\ts1\ts2\ts3", "", "line 6 should be the header"),
        ("\ts1\ts2\ts3", "", "a column FORMAT without samples"),
        ("\ts1\ts2", "\ts1\ts1", "two have the same"),
        ("\t200\t", "\ttwo\t", "line 7: no chromosome, or 'two' is no position"),
        ("\tA\tG,T\t", "\tA\tG,A\t", "'A' is no alternative allele"),
        ("\tA\tG,T\t", "\tA\tG,G\t", "comes twice"),
        ("\tA\tG,T\t", "\t?\tG,T\t", "is not made of bases"),
        ("\t50\t", "\t1e999\t", "the quality '1e999' is no number"),
        (";DB;", ";AF=1;", "INFO says 'AF' twice"),
        ("SIG=lost,kept", "SIG=kept", "SIG of 17-200 has 1 values, its line 2 alleles to have one each"),
        ("SIG=lost,kept", "SIG=lost,lost,kept", "SIG of 17-200 has 3 values, its line 2 alleles"),
        ("1|2:8", "1|3:8", "names an allele that is not there"),
        ("1|2:8", "1-2:8", "is no genotype"),
        ("GT:DP", "DP:GT", "GT is not the first field"),
        ("\t./1:.", "", "line 7 has 11 columns, the header 12"),
        (GOOD[len(HEADER) :], "", "no variants below the header"),
        (GOOD[GOOD.index("#CHROM") :], "", "no header '#CHROM"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(UserError) as error:
        read_vcf(write(tmp_path, GOOD.replace(old, new, 1)), label="SIG")
    assert said in str(error.value)


def test_too_many_lines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.cases.genomics.vcf.MAX_GENOTYPES", 10)
    with pytest.raises(UserError, match="Keep a region"):
        parse_vcf(write(tmp_path, GOOD))


@pytest.mark.real_data
def test_reads_what_htslib_reads(data_root: Path) -> None:
    cyvcf2 = pytest.importorskip("cyvcf2", reason="needs cyvcf2, to compare with")
    files = sorted((data_root / "genomics/vcf").glob("*.vcf*"))
    assert len(files) == 8
    for file in files:
        for record, other in zip(parse_vcf(file).records, cyvcf2.VCF(str(file)), strict=True):
            assert (record.chromosome, record.position) == (other.CHROM, other.POS)
            assert (record.reference, list(record.alternatives)) == (other.REF, other.ALT)
            np.testing.assert_allclose(
                record.quality, np.nan if other.QUAL is None else other.QUAL, rtol=1e-6
            )
            alleles = other.genotype.array()[:, :-1]
            for number in range(1 + len(record.alternatives)):
                copies = np.where((alleles == -1).any(1), 0, (alleles == number).sum(1))
                np.testing.assert_array_equal(record.copies[:, number], copies)


@pytest.mark.real_data
def test_haploid_genotypes_are_whole(data_root: Path) -> None:
    path = data_root / "genomics/vcf/test-haploidX.vcf"
    cases = read_genotypes(path, {"37150": "a", "37165": "b", "38008": "a"})
    assert cases.x.shape[0] == 3
    assert set(np.unique(cases.x[~np.isnan(cases.x)])) == {0, 1}


def test_long_alleles_have_short_names_and_long_chromosomes_are_refused(tmp_path: Path) -> None:
    long = GOOD.replace("\tCGT\tCGG\t", f"\tC\t{'CA' * 500}\t")
    cases = read_vcf(write(tmp_path, long), label="SIG")
    assert cases.name is not None
    assert cases.name[2].startswith("17-100-C-CACACACACA~1000~")
    assert cases.name.dtype.itemsize < 400
    with pytest.raises(UserError, match="has 1,"):
        read_vcf(write(tmp_path, GOOD.replace("\nX\t5", f"\n{'X' * 1200}\t5")), label="SIG")
