"""The files on this machine that a command is given, found and looked at before anything is done with them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ionfleet.configuration import MAX_BYTES as MAX_CONFIGURATION
from ionfleet.errors import InvalidConfigurationError, InvalidDatabaseError, InvalidDatasetError, InvalidInputError
from ionfleet_cli.failures import UsageError

BUNDLED = "ionfleet-core"
"""The database that comes with Ionfleet."""

SHOWN_FILES = 5
"""Names of files that a message lists."""


@dataclass(frozen=True)
class LocalDataset:
    """The files of a dataset; `configuration` is the one beside it, None where there is none."""

    imzml: Path
    ibd: Path
    configuration: Path | None

    @property
    def stem(self) -> str:
        """Name of both files without extension."""
        return self.imzml.stem


@dataclass(frozen=True)
class LocalDatabase:
    """A database: its file, and the name that it is imported under."""

    path: Path
    name: str


def find_dataset(imzml: Path) -> LocalDataset:
    """Return the dataset of an imzML file: its ibd in any case of the extension, and its configuration.

    Raises
    ------
    InvalidDatasetError
        One of the two files is missing, there is more than one ibd, or the imzML is evidently none.

    """
    _check_imzml(imzml)
    siblings = sorted(path for path in imzml.parent.iterdir() if path.is_file())
    ibds = [path for path in siblings if path.suffix.lower() == ".ibd"]
    own = [path for path in ibds if composed(path.stem) == composed(imzml.stem)]
    if not own:
        raise InvalidDatasetError(
            f"There is no {imzml.stem}.ibd beside {imzml}{_but(_alone(siblings))}. "
            "A dataset is an imzML and an ibd in one folder, named alike; put its ibd there."
        )
    if len(own) > 1:
        raise InvalidDatasetError(f"There are {_listed(own)} beside {imzml}; a dataset has one ibd: remove the other.")
    configurations = (imzml.with_name(name) for name in (f"{imzml.stem}.job.json", "job.json"))
    return LocalDataset(imzml, own[0], next((path for path in configurations if path.is_file()), None))


def find_databases(paths: Sequence[Path]) -> list[LocalDatabase]:
    """Return databases by their files; `ionfleet-core`, where no file is called so, is the bundled one and left out.

    Raises
    ------
    InvalidDatabaseError
        A file is missing.
    UsageError
        Two would be imported under one name.

    """
    databases = [LocalDatabase(path, database_name(path)) for path in paths if not is_bundled(path)]
    for database in databases:
        check_database(database.path)
    counts = Counter(database.name for database in databases)
    for name, count in counts.items():
        if count > 1:
            same = [database.path for database in databases if database.name == name]
            raise UsageError(
                f"{_listed(same)} would all be imported as {name!r}; give each another name, without its extension."
            )
    return databases


def is_bundled(path: Path) -> bool:
    """Tell whether a path given for a database means the bundled one."""
    return str(path) == BUNDLED and not path.exists()


def database_name(path: Path) -> str:
    """Return the name that a database's file is imported under."""
    name = path.name
    for extension in (".gz", ".tsv", ".csv", ".txt"):
        if name.lower().endswith(extension) and len(name) > len(extension):
            name = name[: -len(extension)]
    return composed(name)


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), by which the cloud knows it however a file system spells it."""
    return unicodedata.normalize("NFC", name)


def check_database(path: Path) -> None:
    """Refuse a path that is no file.

    Raises
    ------
    InvalidDatabaseError
        With what is there instead.

    """
    if path.is_dir():
        raise InvalidDatabaseError(f"{path} is a folder; give the path of a database, a table as TSV or CSV.")
    if not path.exists():
        raise InvalidDatabaseError(f"There is no file {path}; give the path of a database, a table as TSV or CSV.")


def read_bytes(path: Path, most: int) -> bytes:
    """Return a file's content.

    Raises
    ------
    InvalidInputError
        It is missing, cannot be read, or has more than `most` bytes, which are not read then.

    """
    try:
        size = path.stat().st_size
        if size > most:
            raise InvalidInputError(f"{path} has {size:,} bytes, at most {most:,} are allowed; make it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read ({error.strerror}). Check path and permissions.") from None


def read_configuration_bytes(path: Path) -> bytes:
    """Return the content of a configuration file.

    Raises
    ------
    InvalidConfigurationError
        There is no such file, it is too large, or it cannot be read.

    """
    if not path.is_file():
        raise InvalidConfigurationError(f"There is no configuration file {path}; give the path of a job.json.")
    try:
        return read_bytes(path, MAX_CONFIGURATION)
    except InvalidInputError as error:
        raise InvalidConfigurationError(str(error)) from None


def _check_imzml(path: Path) -> None:
    if path.is_dir():
        found = [each for each in path.iterdir() if each.suffix.lower() == ".imzml"]
        raise InvalidDatasetError(f"{path} is a folder; give the path of an imzML file{_there_is(found)}.")
    if not path.exists():
        near = [each for each in _neighbours(path) if each.suffix.lower() == ".imzml"]
        raise InvalidDatasetError(f"There is no file {path}; give the path of an imzML file{_there_is(near)}.")
    if path.suffix.lower() == ".ibd":
        raise InvalidDatasetError(f"{path} is the binary half of a dataset; give the imzML beside it.")
    if path.suffix.lower() != ".imzml":
        raise InvalidDatasetError(f"{path} is not named as an imzML; give the path of a file that ends in .imzML.")
    _check_beginning(path)


def _check_beginning(path: Path) -> None:
    """Refuse what is no XML at first sight, so that nobody waits for a cloud to learn that."""
    try:
        with path.open("rb") as file:
            beginning = file.read(1000)
    except OSError as error:
        raise InvalidDatasetError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from None
    if not beginning:
        raise InvalidDatasetError(f"{path} is empty; an imzML file was expected. Export the dataset again.")
    # Byte order marks, and the zero bytes of UTF-16, may stand before and between the characters of XML.
    if not beginning.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<"):
        raise InvalidDatasetError(
            f"{path} is not imzML: it begins with {beginning[:20]!r}, where XML begins with '<'. "
            "Export the dataset as imzML."
        )


def _neighbours(path: Path) -> list[Path]:
    return list(path.parent.iterdir()) if path.parent.is_dir() else []


def _alone(siblings: Sequence[Path]) -> list[Path]:
    """Return the ibds that have no imzML: one of them may be the one that is missed."""
    stems = {path.stem for path in siblings if path.suffix.lower() == ".imzml"}
    return [path for path in siblings if path.suffix.lower() == ".ibd" and path.stem not in stems]


def _there_is(found: Sequence[Path]) -> str:
    return f" (there is {_listed(sorted(found))})" if found else ""


def _but(found: Sequence[Path]) -> str:
    return f", but {_listed(found)}" if found else ""


def _listed(paths: Iterable[Path]) -> str:
    names = [path.name for path in paths]
    rest = len(names) - SHOWN_FILES
    return f"{', '.join(names[:SHOWN_FILES])} and {rest:,} more" if rest > 0 else ", ".join(names)
