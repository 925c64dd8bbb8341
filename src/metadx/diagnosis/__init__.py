"""What leaves the laboratory: diagnosers, findings, bundles and their cards."""

from metadx.diagnosis.bundle import load_bundle, save_bundle
from metadx.diagnosis.content import Content, read_content
from metadx.diagnosis.diagnoser import Diagnoser, Support
from metadx.diagnosis.finding import Finding, Similar
from metadx.diagnosis.model import About, MetaModel, Spec, check_tensors, plain_model
from metadx.diagnosis.signature import fingerprint, keys_folder, own_fingerprint

__all__ = [
    "About",
    "Content",
    "Diagnoser",
    "Finding",
    "MetaModel",
    "Similar",
    "Spec",
    "Support",
    "check_tensors",
    "fingerprint",
    "keys_folder",
    "load_bundle",
    "own_fingerprint",
    "plain_model",
    "read_content",
    "save_bundle",
]
