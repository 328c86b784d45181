"""Which databases there are: importing what users upload, and finding what jobs name.

An imported database is `databases/<name>/<digest>.parquet` in the work bucket. Which of them a name means is said by
the name's status document in the results bucket: the one of the file that was uploaded last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ionfleet.databases import MAX_BYTES, Database, bundled_database, database_name, inspect_database, read_database
from ionfleet.errors import InvalidConfigurationError, InvalidDatabaseError, TransientError
from ionfleet.findings import Finding, errors_of
from ionfleet.formula import Compatibility
from ionfleet.identity import timestamp
from ionfleet.plan import Stores
from ionfleet.status import DatabaseStatus, bounded, read_status, report_input
from ionfleet.store import ObjectInfo, ObjectStore
from ionfleet.uploads import DATABASES, DatabaseFile, database_status_key

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
    about = DatabaseStatus(state="rejected", at=timestamp(now), name=file.name, source=file.key, etag=info.etag)
    try:
        _check_file(file.key, info)
        database, findings = inspect_database(stores.input.get(file.key), file.name)
        errors = errors_of(findings)
        if database is None or errors:
            raise InvalidDatabaseError(_refusal(file.name, database, errors))
    except InvalidDatabaseError as error:
        findings = findings if "findings" in locals() else []
        return about.model_copy(
            update={"error": "InvalidDatabaseError", "message": str(error), "findings": bounded(findings)}
        )
    return about
