"""The settings of a recipe, which say a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from metadx.cases import Scans, entries
from metadx.learners import NamedSettings
from metadx.studies.space import TuneSettings
from metadx.tasks import Drawn, Shape
from metadx.training import TrainingSettings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SplitSettings(_Part):
    """How conditions are dealt out; see `metadx.tasks.split_conditions`.

    Args:
        validation, test: conditions to hold out by name; all others are learned from. By default they are dealt
            out.
    """

    seed: int = Field(0, ge=0)
    share: tuple[_Share, _Share, _Share] = (3, 1, 1)
    large: int = Field(25, ge=1)
    least: int = Field(4, ge=2)
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _both_or_none(self) -> SplitSettings:
        if bool(self.validation) != bool(self.test):
            raise ValueError("name both `validation` and `test`, or neither")
        twice = next((name for name in self.validation if name in self.test), None)
        if twice is not None:
            raise ValueError(f"'{twice}' is named for validation and for test")
        return self


class ColumnSettings(_Part):
    """What columns of a file of one's own mean; what is not said is found out. See `metadx.cases.own.Asked`."""

    label: str | None = None
    patient: str | None = None
    site: str | None = None
    time: str | None = None
    drop: tuple[str, ...] = ()


class SetsSettings(_Part):
    """Whole data sets on each side: what is learned on some is tried on another.

    Args:
        train, validation, test: names of the catalogue, or paths of CSV manifests, archives and folders; the
            task of a MedIMeta folder, and the label of a task that has several per case, follow after hashes, as in
            `medimeta/cxr#Disease labels#Mass` or `chestmnist##mass`.
    """

    train: tuple[str, ...] = Field(min_length=1)
    validation: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> SetsSettings:
        every = [*self.train, *self.validation, *self.test]
        twice = next((name for name in every if every.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' is named twice; every data set is on one side")
        return self

    def beside(self, here: Path) -> SetsSettings:
        """With relative paths taken from the folder `here`; names of the catalogue stay."""
        return SetsSettings(**{side: tuple(_beside(here, name) for name in names) for side, names in self})


def _beside(here: Path, name: str) -> str:
    place = name.partition("#")[0]
    known = place in entries() or not (here / place).exists()
    return name if known else str(here / name)


class SeriesSettings(_Part):
    """The grid that time series of a CSV or a folder are brought to; see `metadx.cases.signals.read_series`.

    Args:
        step: of the grid, in the unit of the column `time`; in minutes where times are dates.
        duration: how much of each recording is looked at, from its first row.
        how: "mean" of the rows of each step, or values off the "line" between neighbouring rows.
        gap: with "line", how far apart rows may lie to be joined; three steps by default.
    """

    step: _Share
    duration: _Share
    how: Literal["mean", "line"] = "mean"
    gap: _Share | None = None


class ScanSettings(_Part):
    """What of NIfTI files and DICOM series becomes cases; see `metadx.cases.Scans`."""

    slices: int | None = Field(None, ge=1)
    plane: Literal["sagittal", "coronal", "axial"] = "axial"
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)

    def scans(self) -> Scans:
        """As readers take it."""
        return Scans(**self.model_dump())


class AugmentSettings(_Part):
    """How pictures are changed at random, by name: flip, rotate, tilt, crop, intensity; see
    `metadx.tasks.AUGMENTATIONS`.

    Args:
        support: changes of support cases, and of pooled ones.
        query: changes of query cases.
    """

    support: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


Augmented = tuple[str, ...] | AugmentSettings


class VisitSettings(_Part):
    """How a table of visits is read; see `metadx.cases.signals.read_visits`.

    Args:
        patient, time, target: names of columns; all others are features, and must be numbers.
        leave_out: columns that are no features, such as other scores of the same visit.
    """

    patient: str
    time: str
    target: str
    leave_out: tuple[str, ...] = ()


class DataSettings(_Part):
    """Where cases come from: exactly one of the first six.

    Args:
        name: a data set of the catalogue.
        csv: a CSV manifest, or another file: a MedMNIST or packed .npz archive.
        folder: class folders of pictures or scans, or a MedIMeta folder.
        own: a file or folder of any kind; what it is, is found out as `metadx study` does.
        function: a family of functions; "sinusoid".
        sets: several data sets, whole ones on each side.
        columns: what columns of `own` mean, as far as that is not to be found out.
        patients: the words that vouch for data without patient ids.
        patient_pattern: finds the patient in a file name of class folders; a regular expression with one group.
        size: side, or [height, width], that pictures are resized to, in pixels; of volumes the side of a cube, or
            [depth, height, width].
        channels: 1 or 3, where pictures are to be made grey or coloured.
        bits: how many bits of 16-bit pictures are used.
        series: how time series in the CSV or folder are read: step, duration, how, gap.
        visits: how a table of visits in the CSV is read: patient, time, target, leave_out.
        task: which task of a MedIMeta folder that has several.
        label: which label, where a case has several; or "exactly one", for the cases that have just one.
        scans: what of scans becomes cases; given, DICOM files are read as series, not as pictures.
        backbone: a frozen network that embeds pictures: "efficientnet-lite0", its last features;
            "efficientnet-lite0-stages", those of all stages; "efficientnet-lite0-front", the maps that the learner
            "efficientnet-lite0-tail" goes on from. Needs `metadx[pretrained]`.
        whiten: how strongly a backbone's features are shrunk along the directions in which meta-training cases of
            one condition differ, such as 0.3; see `metadx.cases.fit_whitening`.
        rotations: pictures turned by 90, 180 and 270 degrees are further conditions, as is usual for Omniglot.
        augment: how pictures are changed at random in meta-training: a list of flip, rotate, tilt, crop, intensity,
            or one for support and one for query; see `metadx.tasks.AUGMENTATIONS`.
        store: a folder that keeps pictures on disk once they were read, for sets larger than memory; later runs
            take them from there, as long as the source is as it was.
        allow_unverified: accept a copy whose checksum is not the official one.
        split: how conditions are dealt out.
    """

    name: str | None = None
    csv: Path | None = None
    folder: Path | None = None
    own: Path | None = None
    function: Literal["sinusoid"] | None = None
    sets: SetsSettings | None = None
    columns: ColumnSettings = ColumnSettings()
    patients: str | None = None
    patient_pattern: str | None = None
    size: int | tuple[int, int] | tuple[int, int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    series: SeriesSettings | None = None
    visits: VisitSettings | None = None
    task: str | None = None
    label: str | None = None
    scans: ScanSettings | None = None
    backbone: (
        Literal["efficientnet-lite0", "efficientnet-lite0-stages", "efficientnet-lite0-front"] | None
    ) = None
    whiten: float | None = Field(None, ge=0, allow_inf_nan=False)
    rotations: bool = False
    augment: Augmented = ()
    store: Path | None = None
    allow_unverified: bool = False
    split: SplitSettings = SplitSettings()

    @model_validator(mode="after")
    def _exactly_one(self) -> DataSettings:
        kinds = ("name", "csv", "folder", "own", "function", "sets")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(kinds)}; found {given or 'none'}")
        return self


class PatientSettings(_Part):
    """Tasks about one patient each: earlier cases are the support set, later ones the query set.

    Args:
        history: the least and the most time before the boundary that support cases are drawn from in training, in
            the unit of the data's times: minutes for glucose, seconds for heartbeats, else as in the file.
        validation, test: patients to hold out by name; by default they are dealt out as `data.split` says.
        fibrillation: share of the meta-training tasks, or of the pooled cases, that are heartbeats in simulated
            atrial fibrillation; see `metadx.cases.signals.fibrillating`.
    """

    history: tuple[_Share, _Share]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    fibrillation: float = Field(0.0, ge=0, lt=1)


class GroupSettings(_Part):
    """Tasks about one group each, with the same classes in all; see `metadx.tasks.GroupSource`.

    Args:
        axis: what groups are: gene, site, study (whole data sets of `data.sets`), or a detail of the cases.
        drawn: "per class": `tasks.shots` support cases of each class; "as they come": so many in all.
        validation, test: groups to hold out by name; by default they are dealt out as `data.split` says.
    """

    axis: str
    drawn: Drawn = "per class"
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class AuxiliarySettings(_Part):
    """Shares of the meta-training tasks that are made without new diagnoses; only for tables.

    Args:
        regions: neighbourhoods of unusual patients, found without labels; see `metadx.tasks.RegionSource`.
        permuted: diagnoses whose columns traded places; see `metadx.tasks.PermutedSource`.
    """

    regions: float = Field(0.0, ge=0, lt=1)
    permuted: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _some_diagnoses(self) -> AuxiliarySettings:
        if self.regions + self.permuted >= 1:
            raise ValueError("regions and permuted together must stay below 1: the rest are diagnoses")
        return self


class EvaluationSettings(_Part):
    """How the trained model is evaluated.

    Args:
        shots: numbers of support cases per condition.
        episodes: meta-test episodes for each of them.
        ways: conditions per episode; by default the training ways, or as many as are held out.
        query: query cases per condition, at most.
        seed: of the episodes.
        baselines: methods that need no meta-training, tuned on meta-validation and put beside the model.
        tuning_tasks: meta-validation tasks per candidate setting of a baseline.
        augment: how pictures of episodes are changed at random, as in `data.augment`; by default they are not.
    """

    shots: tuple[int, ...] = (1, 5)
    episodes: int = Field(600, ge=1)
    ways: int | None = Field(None, ge=2)
    query: int = Field(15, ge=1)
    seed: int = Field(1, ge=0)
    baselines: tuple[str, ...] = ("logistic_regression",)
    tuning_tasks: int = Field(100, ge=1)
    augment: Augmented = ()

    @field_validator("shots")
    @classmethod
    def _positive(cls, shots: tuple[int, ...]) -> tuple[int, ...]:
        if not shots or min(shots) < 1:
            raise ValueError(f"must be at least 1, not {list(shots)}")
        return tuple(dict.fromkeys(shots))


class Recipe(_Part):
    """A whole run: data, tasks, auxiliary tasks, learner, algorithm, training, evaluation, and what to tune."""

    title: str = ""
    data: DataSettings
    tasks: Shape = Shape(ways=(2, 5))
    patients: PatientSettings | None = None
    groups: GroupSettings | None = None
    auxiliary: AuxiliarySettings = AuxiliarySettings()
    learner: NamedSettings = NamedSettings(name="auto")
    algorithm: NamedSettings
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    tune: TuneSettings = TuneSettings()

    @model_validator(mode="after")
    def _one_axis(self) -> Recipe:
        if self.patients is not None and self.groups is not None:
            raise ValueError(
                "give `patients` or `groups`, not both: a task is about one patient or one group"
            )
        return self
