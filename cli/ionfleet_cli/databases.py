"""`ionfleet databases`: what jobs of a deployment can name."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from ionfleet.errors import InvalidInputError
from ionfleet.status import DatabaseStatus
from ionfleet.uploads import DATABASES, DatabaseFile, database_status_key, understand
from ionfleet_cli import terminal, transfer
from ionfleet_cli.buckets import Buckets
from ionfleet_cli.failures import UsageError
from ionfleet_cli.local_files import BUNDLED, LocalDatabase, composed
from ionfleet_cli.multipart import etag_of
from ionfleet_cli.submission import await_import, database_key
from ionfleet_cli.watch import Polling


def add_database(buckets: Buckets, database: LocalDatabase, console: Console, *, skip_invalid: bool = False) -> str:
    """Upload a database unless the same file was imported last, wait for its import, and return a line about it.

    Raises
    ------
    CommandError
        It was rejected, with what is wrong with it.

    """
    status_key, etag = database_status_key(database.name), etag_of(database.path)
    before = buckets.results.read(status_key, DatabaseStatus)
    there = before is not None and (before.state, before.etag.strip('"')) == ("imported", etag)
    if not there:
        with transfer.shown(console, database.path.name, database.path.stat().st_size) as sent:
            buckets.input.upload(database_key(database), database.path, sent)

    def fresh(status: DatabaseStatus) -> bool:
        return there or before is None or status.at != before.at

    return await_import(buckets, database, Polling(), skip_invalid=skip_invalid, fresh=fresh)


def list_databases(buckets: Buckets, console: Console) -> None:
    """Print the databases that jobs can name, and those that were refused."""
    prefix = f"inputs/{DATABASES}"
    found = [buckets.results.read(key, DatabaseStatus) for key in buckets.results.keys(prefix)]
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("database", "state", "rows", "formulas", "since", "reason"):
        table.add_column(name, justify="right" if name in ("rows", "formulas") else "left")
    table.add_row(BUNDLED, "bundled")
    for status in filter(None, found):
        figures = ("" if number is None else f"{number:,}" for number in (status.rows, status.formulas))
        reason = "" if status.state == "imported" else status.message or ""
        table.add_row(*map(terminal.styled, (status.name, status.state, *figures, status.at[:19], reason)))
    console.print(table)


def remove_database(buckets: Buckets, name: str) -> None:
    """Remove a database: later jobs cannot name it, those that are planned keep what they need of it.

    Raises
    ------
    UsageError
        There is none of the name, or it is the bundled one.

    """
    if name == BUNDLED:
        raise UsageError(f"{BUNDLED} comes with Ionfleet and cannot be removed.")
    wanted = composed(name)
    files = [key for key in buckets.input.keys(f"{DATABASES}{wanted}.") if _name_of(key) == wanted]
    key = database_status_key(wanted)
    if not files and buckets.results.get(key) is None:
        raise UsageError(f"There is no database {name!r}; `ionfleet databases list` shows what there is.")
    for file in files:
        buckets.input.remove(file)
    buckets.results.remove(key)


def _name_of(key: str) -> str | None:
    try:
        meaning = understand(key)
    except InvalidInputError:
        return None
    return meaning.name if isinstance(meaning, DatabaseFile) else None
