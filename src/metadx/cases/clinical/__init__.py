"""Clinical tables: ARFF, Parquet, and the heart disease data of four hospitals."""

from metadx.cases.clinical.arff import Arff, Attribute, parse_arff
from metadx.cases.clinical.heart_disease import HOSPITALS, read_heart_disease
from metadx.cases.clinical.parquet import read_parquet
from metadx.cases.clinical.tables import read_arff

__all__ = ["HOSPITALS", "Arff", "Attribute", "parse_arff", "read_arff", "read_heart_disease", "read_parquet"]
