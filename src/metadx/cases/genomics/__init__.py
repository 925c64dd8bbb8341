"""Genomics: expression studies, single cells, variants and windows of DNA."""

from metadx.cases.genomics.alleles import Allele
from metadx.cases.genomics.anndata import read_anndata, read_obs
from metadx.cases.genomics.clinvar import AGREE, DISAGREE, read_clinvar_conflicting
from metadx.cases.genomics.expression import read_expression, read_studies
from metadx.cases.genomics.saturation import read_saturation
from metadx.cases.genomics.scale import find_scale
from metadx.cases.genomics.variants import read_genotypes, read_vcf
from metadx.cases.genomics.vcf import Record, Vcf, parse_vcf
from metadx.cases.genomics.windows import one_hot, read_windows

__all__ = [
    "AGREE",
    "DISAGREE",
    "Allele",
    "Record",
    "Vcf",
    "find_scale",
    "one_hot",
    "parse_vcf",
    "read_anndata",
    "read_clinvar_conflicting",
    "read_expression",
    "read_genotypes",
    "read_obs",
    "read_saturation",
    "read_studies",
    "read_vcf",
    "read_windows",
]
