"""What keys of the input bucket mean, and which files belong together.

docs/architecture.md, Objects: datasets, their configurations and databases are told apart by their keys alone. Names
are in Unicode's composed form (NFC), however the keys spell them: some systems write ä as one character, others as two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ionfleet.errors import InvalidDatasetError, InvalidInputError
from ionfleet.identity import digest
from ionfleet.store import ObjectInfo, ObjectStore

DATASETS = "datasets/"
DATABASES = "databases/"
CONFIGURATION = "job.json"

MAX_KEY_BYTES = 900
"""S3 allows keys of 1,024 bytes in UTF-8; the rest is for the names of what is made from an input."""

_DATASET_FILE = re.compile(r"(?P<stem>.*)\.(?P<kind>imzml|ibd)", re.IGNORECASE | re.DOTALL)
_DATABASE_FILE = re.compile(r"(?P<name>.*)\.(?:tsv|csv)(?:\.gz)?", re.IGNORECASE | re.DOTALL)
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
"""Format characters that some scripts are spelled with; the others hide, or turn the text around them."""


@dataclass(frozen=True)
class DatasetName:
    """A dataset's place: a folder (beginning with `datasets/`, ending in a slash) and the stem of its files."""

    folder: str
    stem: str

    @property
    def status_key(self) -> str:
        """Where the results bucket says what became of it."""
        return f"inputs/{self.folder}{self.stem}/status.json"


@dataclass(frozen=True)
class ConfigurationFile:
    """A configuration: of one dataset, or (stem None) of those of its folder that have none of their own."""

    folder: str
    stem: str | None

    @property
    def status_key(self) -> str:
        """Where the results bucket says what became of it: a dataset's own speaks through the dataset."""
        name = CONFIGURATION if self.stem is None else self.stem
        return f"inputs/{self.folder}{name}/status.json"


@dataclass(frozen=True)
class DatabaseFile:
    """A molecular database and the name that it is imported under."""

    key: str
    name: str

    @property
    def status_key(self) -> str:
        """Where the results bucket says what became of it."""
        return database_status_key(self.name)


InputKey = DatasetName | ConfigurationFile | DatabaseFile


@dataclass(frozen=True)
class Upload:
    """The files of one dataset that are in the bucket."""

    name: DatasetName
    imzml: ObjectInfo | None
    ibd: ObjectInfo | None
    configuration: ObjectInfo | None

    @property
    def missing(self) -> str | None:
        """Name of the file that has yet to come, None for a complete pair."""
        if self.imzml is None:
            return f"{self.name.stem}.imzML"
        return f"{self.name.stem}.ibd" if self.ibd is None else None


def database_status_key(name: str) -> str:
    """Return where the results bucket says what became of the database of a name."""
    return f"inputs/{DATABASES}{name}/status.json"


def refused_status_key(key: str) -> str:
    """Return where the results bucket says why a key was refused: under a harmless name made of the key."""
    return f"inputs/refused/{digest(key)}/status.json"


def message_status_key(message: str) -> str:
    """Return where the results bucket says what became of a message that is about no input, by the message's id."""
    return f"inputs/messages/{message}/status.json"


def understand(key: str) -> InputKey | None:
    """Return what an object of the input bucket is, going by its key; None for what is none of Ionfleet's business.

    Raises
    ------
    InvalidInputError
        The object looks like a dataset or a database, but its key is one that cannot be taken.

    """
    if key.endswith("/"):
        return None
    folder, _, file = key.rpartition("/")
    folder = f"{folder}/" if folder else ""
    dataset = _DATASET_FILE.fullmatch(file)
    if dataset is not None:
        return DatasetName(folder, _checked(key, dataset["stem"], DATASETS))
    if folder.startswith(DATASETS) and file == CONFIGURATION:
        _checked(key, file, DATASETS)
        return ConfigurationFile(folder, None)
    if folder.startswith(DATASETS) and file.endswith(f".{CONFIGURATION}"):
        return ConfigurationFile(folder, _checked(key, file.removesuffix(f".{CONFIGURATION}"), DATASETS))
    database = _DATABASE_FILE.fullmatch(file)
    if folder == DATABASES and database is not None:
        return DatabaseFile(key, _checked(key, database["name"], DATABASES))
    return None


def find_dataset(store: ObjectStore, name: DatasetName) -> Upload:
    """Return which files of a dataset are in the input bucket, in their latest versions.

    Raises
    ------
    InvalidDatasetError
        Two files claim the same part of the dataset, such as x.ibd and x.IBD.

    """
    spellings = dict.fromkeys(unicodedata.normalize(form, name.stem) for form in ("NFC", "NFD"))
    prefixes = [f"{name.folder}{spelling}." for spelling in spellings]
    listed = {info.key: info.key.removeprefix(prefix) for prefix in prefixes for info in store.list(prefix)}

    def find(kind: str) -> ObjectInfo | None:
        return _head_of_one(store, name, [key for key, extension in listed.items() if extension.lower() == kind])

    own = _head_of_one(store, name, [key for key, extension in listed.items() if extension == CONFIGURATION])
    return Upload(
        name,
        imzml=find("imzml"),
        ibd=find("ibd"),
        configuration=own or store.head(f"{name.folder}{CONFIGURATION}"),
    )


def datasets_configured_by(store: ObjectStore, file: ConfigurationFile) -> list[DatasetName]:
    """Return the datasets with at least one file in the input bucket that a configuration applies to, by name."""
    if file.stem is not None:
        return [DatasetName(file.folder, file.stem)]
    names: dict[DatasetName, None] = {}
    configured = set()
    for info in store.list(file.folder):
        meaning = _understood(info.key)
        if isinstance(meaning, DatasetName) and meaning.folder == file.folder:
            names[meaning] = None
        elif isinstance(meaning, ConfigurationFile) and meaning.folder == file.folder:
            configured.add(meaning.stem)
    return [name for name in names if name.stem not in configured]


def _understood(key: str) -> InputKey | None:
    """Return what a key means; None too where it cannot be taken, which the message about it reports."""
    try:
        return understand(key)
    except InvalidInputError:
        return None


def _head_of_one(store: ObjectStore, name: DatasetName, found: Sequence[str]) -> ObjectInfo | None:
    """Return a dataset's one file of a kind with its version, None where there is none."""
    if len(found) > 1:
        # In ASCII, since the keys may differ in how they spell one and the same name.
        raise InvalidDatasetError(
            f"Dataset {name.stem!r} has {len(found)} files of one kind, {' and '.join(map(ascii, found))}; "
            "a dataset has one imzML and one ibd: delete what is not meant and upload the other again."
        )
    return store.head(found[0]) if found else None


def _checked(key: str, name: str, home: str) -> str:
    """Return the name that a key gives, in NFC, or refuse a key that leads elsewhere or that no screen should show."""
    advice = "upload the file under another key"
    length = len(key.encode(errors="surrogatepass"))
    if length > MAX_KEY_BYTES:
        raise InvalidInputError(f"The key has {length:,} bytes, at most {MAX_KEY_BYTES} are taken; {advice}.")
    forbidden = sorted({each for each in key if unicodedata.category(each) in _FORBIDDEN_CATEGORIES} - _JOINERS)
    if forbidden:
        codes = ", ".join(f"U+{ord(character):04X}" for character in forbidden)
        raise InvalidInputError(f"The key {key!a} has control or invisible characters ({codes}); {advice}.")
    if {".", ".."} & {name, *key.split("/")}:
        raise InvalidInputError(f"The key {key!r} has '.' or '..' for a name; {advice}.")
    if not name:
        raise InvalidInputError(f"The key {key!r} has no name before its extension; {advice}.")
    if not key.startswith(home):
        raise InvalidInputError(f"The key {key!r} lies outside of {home}, where such a file is taken up; {advice}.")
    if not any(unicodedata.is_normalized(form, name) for form in ("NFC", "NFD")):
        raise InvalidInputError(f"The key {key!a} is composed in part only, as Unicode calls it (NFC); {advice}.")
    return unicodedata.normalize("NFC", name)
