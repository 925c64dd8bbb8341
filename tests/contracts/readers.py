"""Every reader that makes cases, as rows of the contract on damaged files."""

from contracts.genomic_readers import GENOMIC
from contracts.own_readers import OWN
from contracts.picture_readers import PICTURES
from contracts.signal_readers import SIGNALS
from contracts.table_readers import TABLES

READERS = (*TABLES, *PICTURES, *SIGNALS, *GENOMIC, *OWN)
