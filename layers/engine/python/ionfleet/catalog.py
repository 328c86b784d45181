"""Which databases there are: importing what users upload, and finding what jobs name.

An imported database is `databases/<name>/<digest>.parquet` in the work bucket. Which of them a name means is said by
the name's status document in the results bucket: the one of the file that was uploaded last.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ionfleet.damage import read_intact
from ionfleet.databases import MAX_BYTES, Database, bundled_database, inspect_database, read_database
from ionfleet.errors import InvalidConfigurationError, InvalidDatabaseError, TransientError
from ionfleet.findings import Finding, errors_of
from ionfleet.formula import Compatibility
from ionfleet.identity import timestamp
from ionfleet.plan import Stores
from ionfleet.status import DatabaseStatus, bounded, read_status, report_input
from ionfleet.store import ObjectInfo, ObjectStore
from ionfleet.uploads import DATABASES, DatabaseFile, database_status_key, understand

BUNDLED = "ionfleet-core"
"""Name of the database that comes with Ionfleet."""

_TRIES = 3


@dataclass(frozen=True)
class StoredDatabase:
    """A database and the key of its table in the work bucket."""

    key: str
    database: Database


def import_upload(stores: Stores, file: DatabaseFile, now: datetime) -> DatabaseStatus | None:
    """Import an uploaded database and report it; None where the file has been deleted since.

    The file's latest version is what counts, whichever upload the message is about, and it is looked at again after
    the report: so the last report is about the last upload, in whatever order messages are handled.

    Raises
    ------
    TransientError
        The file is replaced faster than it can be imported.

    """
    for _ in range(_TRIES):
        info = stores.input.head(file.key)
        if info is None:
            return None
        status = _import(stores, file, info, now)
        report_input(stores.results, file.status_key, status)
        latest = stores.input.head(file.key)
        if latest is None or latest == info:
            return status
    raise TransientError(f"{file.key!r} changed {_TRIES} times while it was imported. Try again.")


def load_databases(
    stores: Stores, references: Sequence[str], *, skip_invalid: bool, compatibility: Compatibility
) -> list[StoredDatabase]:
    """Return the databases that a job names, in its order.

    A reference is the name of an imported database, `ionfleet-core`, the key of an uploaded file (imported now if need
    be), or that of an imported table. With `skip_invalid`, a file that was rejected is read again for its good rows.

    Raises
    ------
    InvalidConfigurationError
        There is no such database, or one is named twice.
    InvalidDatabaseError
        Its file is refused.

    """
    loaded = [_load(stores, reference, skip_invalid, compatibility) for reference in references]
    names = [stored.database.name for stored in loaded]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidConfigurationError(f"databases: {', '.join(repeated)} is given more than once; give it once.")
    return loaded


def _import(stores: Stores, file: DatabaseFile, info: ObjectInfo, now: datetime) -> DatabaseStatus:
    rejected = DatabaseStatus(
        state="rejected",
        at=timestamp(now),
        name=file.name,
        source=file.key,
        etag=info.etag,
        error=InvalidDatabaseError.__name__,
    )
    try:
        _check_file(file, info)
    except InvalidDatabaseError as error:
        return rejected.model_copy(update={"message": str(error)})
    database, findings = inspect_database(stores.input.get(file.key), file.name)
    told = {"findings": bounded(findings)}
    if database is None or errors_of(findings):
        return rejected.model_copy(update=told | {"message": _refusal(database, errors_of(findings))})
    stored = _store(stores.work, database)
    imported = {
        "state": "imported",
        "error": None,
        "digest": database.digest,
        "key": stored.key,
        "rows": database.table.num_rows,
        "formulas": len(database.formulas),
    }
    return rejected.model_copy(update=told | imported)


def _check_file(file: DatabaseFile, info: ObjectInfo) -> None:
    """Refuse a file by what is known of it before it is read."""
    if file.name == BUNDLED:
        raise InvalidDatabaseError(f"{BUNDLED!r} is the database that comes with Ionfleet; call yours otherwise.")
    if info.size > MAX_BYTES:
        raise InvalidDatabaseError(
            f"{file.key!r} has {info.size:,} bytes, at most {MAX_BYTES:,} are read; leave out columns, or split it."
        )


def _refusal(database: Database | None, errors: Sequence[Finding]) -> str:
    if database is None:
        rows = f" Rows refused: {len(errors) - 1:,}; the first: {errors[0]}." if len(errors) > 1 else ""
        return f"{errors[-1]}{rows}"
    return (
        f"{len(errors):,} rows are refused, {database.table.num_rows:,} are good; the first: {errors[0]}. Correct them "
        "and upload the file again, or set skip_invalid in a job's configuration to go on with the good ones."
    )


def _store(work: ObjectStore, database: Database) -> StoredDatabase:
    key = f"{DATABASES}{database.name}/{database.digest}.parquet"
    work.create(key, database.to_parquet())
    return StoredDatabase(key, database)


def _load(stores: Stores, reference: str, skip_invalid: bool, compatibility: Compatibility) -> StoredDatabase:
    if reference == BUNDLED:
        return _store(stores.work, read_database(bundled_database(), BUNDLED))
    if reference.startswith(DATABASES):
        if reference.endswith(".parquet"):
            return _load_table(stores, reference, ())
        return _load_file(stores, reference, skip_invalid, compatibility)
    name = unicodedata.normalize("NFC", reference)
    status = read_status(stores.results, database_status_key(name), DatabaseStatus)
    if status is None:
        raise _unknown(stores.work, reference)
    if status.key is not None:
        return _load_table(stores, status.key, status.findings)
    if skip_invalid:
        return _load_file(stores, status.source, skip_invalid, compatibility)
    raise InvalidDatabaseError(
        f"Database {reference!r} was not imported when {status.source!r} was last uploaded. {status.message}"
    )


def _load_table(stores: Stores, key: str, findings: tuple[Finding, ...]) -> StoredDatabase:
    if stores.work.head(key) is None:
        raise _unknown(stores.work, key)
    database = read_intact(stores.work, key, Database.from_parquet)
    return StoredDatabase(key, replace(database, findings=findings))


def _load_file(stores: Stores, key: str, skip_invalid: bool, compatibility: Compatibility) -> StoredDatabase:
    file, info = understand(key), stores.input.head(key)
    if info is None or not isinstance(file, DatabaseFile):
        raise _unknown(stores.work, key)
    _check_file(file, info)
    data = stores.input.get(key)
    return _store(stores.work, read_database(data, file.name, skip_invalid=skip_invalid, compatibility=compatibility))


def _unknown(work: ObjectStore, reference: str) -> InvalidConfigurationError:
    imported = {info.key.split("/")[1] for info in work.list(DATABASES)}
    known = ", ".join(sorted(imported | {BUNDLED}))
    return InvalidConfigurationError(
        f"databases: there is no database {reference!r}; there are {known}. Upload it as {DATABASES}<name>.tsv or .csv "
        "and once it is imported upload one of the dataset's files again."
    )
