"""The reader of data of one's own, of which nothing is told: what a table or folder is must be found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cases.genomics.test_expression import SAMPLES
from cases.genomics.test_vcf import GOOD as VARIANTS
from contracts.picture_readers import nifti, pictures
from contracts.reader import Reader, text_of
from contracts.signal_readers import GLUCOSE, LIVING, recording
from metadx.cases import Cases
from metadx.cases.own import Asked, read_own

HOSPITAL = "Diagnosis;MRN;age;crp;sex;ward\n" + "".join(
    f"{('sepsis', 'none')[i % 2]};m{i // 2};{30 + i},5;{('<0,5', '7,25', '')[i % 3]};{'FM'[i // 3 % 2]};w{i % 3}\n"
    for i in range(24)
)
PLAIN = HOSPITAL.replace(",", ".").replace(";", ",")
VISITS = "patient,day,voice,score\n" + "".join(f"p{i // 4},{i % 4 * 7},{i}.5,{20 + i}\n" for i in range(32))


def own(name: str, asked: Asked | None = None) -> Callable[[Path], Cases]:
    return lambda folder: read_own(folder / name, asked).cases


OWN = (
    Reader("own table", text_of("t.csv", PLAIN), own("t.csv"), gaps=True, finds_out=True),
    Reader("own table, decimal commas", text_of("t.csv", HOSPITAL), own("t.csv"), gaps=True, finds_out=True),
    Reader(
        "own visits", text_of("t.csv", VISITS), own("t.csv", Asked(label="score")), gaps=True, finds_out=True
    ),
    Reader("own expression", text_of("t.csv", SAMPLES), own("t.csv"), gaps=True, finds_out=True),
    Reader(
        "own variants",
        text_of("v.vcf", VARIANTS),
        own("v.vcf", Asked(label="SIG")),
        gaps=True,
        finds_out=True,
    ),
    Reader("own pictures", pictures(".png"), own("set"), exact=True, quick=60),
    Reader("own volumes", nifti, own("set"), exact=True, quick=40),
    Reader("own heartbeats", recording, own("."), quick=60),
    Reader("own glucose", text_of("a.csv", GLUCOSE), own("."), within=LIVING),
)
