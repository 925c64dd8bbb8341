"""What was observed: cases, readers for each kind of file, and the catalogue of public data sets."""

from metadx.cases.audit import Audit, Leak, audit_cases
from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, Modality, Provenance
from metadx.cases.catalogue import get, load
from metadx.cases.dataset import AlteredCopy, DataSet, OfficialFile, entries, entry
from metadx.cases.files import Reading, read_files
from metadx.cases.folders import read_folders
from metadx.cases.gaps import GapTransform
from metadx.cases.holdings import Holding, find
from metadx.cases.inputs import Inputs, inputs_from_parts, inputs_of, inputs_to_parts, storable
from metadx.cases.medimeta import read_medimeta
from metadx.cases.medmnist import read_medmnist
from metadx.cases.observations import Observations, read_observations
from metadx.cases.omniglot import EVALUATION_ALPHABETS, read_omniglot, rotations, unrotated
from metadx.cases.own_columns import OwnColumns, fit_own_columns
from metadx.cases.packed import read_packed
from metadx.cases.pictures import read_picture, read_pictures
from metadx.cases.preprocess import (
    Column,
    PictureTransform,
    Pixels,
    TableTransform,
    Transform,
    fit_table,
    fit_transform,
)
from metadx.cases.scan_folders import read_scan_folders
from metadx.cases.scans import Scans, read_scans
from metadx.cases.store import through_store
from metadx.cases.stored import Room, Stored, in_memory
from metadx.cases.tables import read_table
from metadx.cases.thyroid import diagnosis, letters, read_thyroid
from metadx.cases.units import OddUnit, odd_units
from metadx.cases.values import read_values
from metadx.cases.whitening import Whitened, fit_whitening

__all__ = [
    "EVALUATION_ALPHABETS",
    "EVERY_CASE_ITS_OWN_PATIENT",
    "AlteredCopy",
    "Audit",
    "Cases",
    "Column",
    "DataSet",
    "GapTransform",
    "Holding",
    "Inputs",
    "Leak",
    "Modality",
    "Observations",
    "OddUnit",
    "OfficialFile",
    "OwnColumns",
    "PictureTransform",
    "Pixels",
    "Provenance",
    "Reading",
    "Room",
    "Scans",
    "Stored",
    "TableTransform",
    "Transform",
    "Whitened",
    "audit_cases",
    "diagnosis",
    "entries",
    "entry",
    "find",
    "fit_own_columns",
    "fit_table",
    "fit_transform",
    "fit_whitening",
    "get",
    "in_memory",
    "inputs_from_parts",
    "inputs_of",
    "inputs_to_parts",
    "letters",
    "load",
    "odd_units",
    "read_files",
    "read_folders",
    "read_medimeta",
    "read_medmnist",
    "read_observations",
    "read_omniglot",
    "read_packed",
    "read_picture",
    "read_pictures",
    "read_scan_folders",
    "read_scans",
    "read_table",
    "read_thyroid",
    "read_values",
    "rotations",
    "storable",
    "through_store",
    "unrotated",
]
