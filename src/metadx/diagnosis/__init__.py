"""What leaves the laboratory: diagnosers, findings, bundles and their cards."""

from metadx.diagnosis.bundle import load_bundle, save_bundle
from metadx.diagnosis.content import Content, read_content
from metadx.diagnosis.diagnoser import Diagnoser, Support
from metadx.diagnosis.finding import Finding, ForecastFinding, Similar
from metadx.diagnosis.forecaster import LEVEL, Forecaster, Values
from metadx.diagnosis.interval import half_width
from metadx.diagnosis.model import About, MetaModel, Spec, check_tensors, for_columns, plain_model
from metadx.diagnosis.signature import fingerprint, keys_folder, own_fingerprint
from metadx.diagnosis.target import Target
from metadx.diagnosis.tried import Tried

__all__ = [
    "LEVEL",
    "About",
    "Content",
    "Diagnoser",
    "Finding",
    "ForecastFinding",
    "Forecaster",
    "MetaModel",
    "Similar",
    "Spec",
    "Support",
    "Target",
    "Tried",
    "Values",
    "check_tensors",
    "fingerprint",
    "for_columns",
    "half_width",
    "keys_folder",
    "load_bundle",
    "own_fingerprint",
    "plain_model",
    "read_content",
    "save_bundle",
]
