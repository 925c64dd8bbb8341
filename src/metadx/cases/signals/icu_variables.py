"""What is measured on the intensive care stays of PhysioNet's Challenge 2012: names, units, what can be true."""

from __future__ import annotations

from typing import NamedTuple


class Variable(NamedTuple):
    """A measurement: its name in the files, its unit, and the least and most that a living patient can have."""

    name: str
    unit: str
    least: float
    most: float


VARIABLES = (
    Variable("Age", "years", 15, 120),
    Variable("Gender", "0 female, 1 male", 0, 1),
    Variable("Height", "cm", 100, 250),
    Variable("Weight", "kg", 20, 400),
    Variable("Albumin", "g/dL", 0.1, 10),
    Variable("ALP", "IU/L", 1, 10_000),
    Variable("ALT", "IU/L", 0, 30_000),
    Variable("AST", "IU/L", 0, 50_000),
    Variable("Bilirubin", "mg/dL", 0, 100),
    Variable("BUN", "mg/dL", 0, 400),
    Variable("Cholesterol", "mg/dL", 10, 1500),
    Variable("Creatinine", "mg/dL", 0, 50),
    Variable("DiasABP", "mmHg", 1, 250),
    Variable("FiO2", "fraction", 0.2, 1),
    Variable("GCS", "points", 3, 15),
    Variable("Glucose", "mg/dL", 5, 2500),
    Variable("HCO3", "mmol/L", 1, 80),
    Variable("HCT", "%", 3, 80),
    Variable("HR", "beats/min", 1, 350),
    Variable("K", "mEq/L", 0.5, 30),
    Variable("Lactate", "mmol/L", 0, 50),
    Variable("Mg", "mmol/L", 0.1, 40),
    Variable("MAP", "mmHg", 1, 350),
    Variable("MechVent", "1 ventilated", 0, 1),
    Variable("Na", "mEq/L", 80, 200),
    Variable("NIDiasABP", "mmHg", 1, 250),
    Variable("NIMAP", "mmHg", 1, 350),
    Variable("NISysABP", "mmHg", 10, 350),
    Variable("PaCO2", "mmHg", 3, 250),
    Variable("PaO2", "mmHg", 5, 800),
    Variable("pH", "", 6, 8.5),
    Variable("Platelets", "cells/nL", 0, 3000),
    Variable("RespRate", "breaths/min", 1, 120),
    Variable("SaO2", "%", 10, 100),
    Variable("SysABP", "mmHg", 10, 350),
    Variable("Temp", "degrees C", 20, 45),
    Variable("TroponinI", "ug/L", 0, 1000),
    Variable("TroponinT", "ug/L", 0, 1000),
    Variable("Urine", "mL", 0, 15_000),
    Variable("WBC", "cells/nL", 0, 1000),
)
"""Three descriptors known on admission, and 37 variables over time, weight among them."""

NUMBER = {variable.name: at for at, variable in enumerate(VARIABLES)}
"""The place of each variable by name."""

DESCRIPTORS = ("Age", "Gender", "Height", "Weight")
"""What is said on admission; a stay with nothing else has no time series."""

ICU_TYPES = {
    1: "coronary care unit",
    2: "cardiac surgery recovery unit",
    3: "medical ICU",
    4: "surgical ICU",
}
"""What ICUType stands for."""
