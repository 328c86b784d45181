"""XML read as a stream, in bounded memory, from files that nobody vouches for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO
from xml.parsers import expat

from ionfleet.findings import Finding

MAX_FILE = 1 << 35
MAX_DEPTH = 64
_CHUNK = 1 << 20
_MAX_TOKEN = 4 << 20
MAX_TEXT = 1 << 12
"""Characters of the value of an attribute that is kept."""
MAX_ATTRIBUTES = 64
"""Attributes of an element of the header."""
_MAX_NAMES = 10_000
_BEFORE_MARKUP = b"\xef\xbb\xbf \t\r\n"
_MARKUP = (b"<", b"\xff\xfe", b"\xfe\xff")

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Follow = Callable[[bytes, int, int], int]
"""Given bytes, and the start and the stop of the part of them read last, returns up to where it has read on."""


class UnreadableError(Exception):
    """The file cannot be read any further, for the reason in `finding`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding("error", code, message)


class MarkupReader:
    """Calls a function for every start and every end of an element, at the speed of expat.

    Document type declarations are refused, and with them entities. Names, single tags, nesting and the whole file are
    limited, so that no input fills the memory: expat itself keeps every distinct name and every unfinished tag.
    """

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._expat = expat.ParserCreate(intern=self._names)
        self._expat.StartDoctypeDeclHandler = self._refuse_doctype
        self._beginning = b""
        self._follow: Follow | None = None
        self._behind = b""
        self._passed_lines = self._passed = 0
        self.fed = 0
        """Bytes of the file that have been read, by whomever."""

    def handle(self, start: Start, end: End) -> None:
        """Call these from the next tag on; may itself be called by such a function."""
        self._expat.StartElementHandler = start
        self._expat.EndElementHandler = end

    def follow(self, behind: bytes, read_on: Follow) -> None:
        """From the next piece of the file on, call this behind these bytes, which may read markup in expat's place.

        What it reads has to be well-formed, and to close what it opens.
        """
        self._behind, self._follow = behind, read_on

    @property
    def position(self) -> int:
        """Byte of the file that the tag at hand begins at."""
        return self._expat.CurrentByteIndex + self._passed

    def refuse_long(self, text: str) -> UnreadableError:
        """Return the error for an attribute's value that is longer than any that means something."""
        message = (
            f"An attribute of the imzML near byte {self.position:,} has {len(text):,} characters, at most {MAX_TEXT:,} "
            f"are read; it begins with {text[:40]!r}. Export the dataset again."
        )
        return UnreadableError("attribute-too-long", message)

    def not_imzml(self, found: str) -> UnreadableError:
        """Return the error for a file of another kind."""
        return UnreadableError("not-imzml", f"This is not an imzML file: {found}. Give the .imzML file of a dataset.")

    def read(self, stream: BinaryIO, size: int) -> None:
        """Read a file of `size` bytes to its end.

        Raises
        ------
        UnreadableError
            Where the file is empty, too large, not well-formed, or contains what is refused.

        """
        if size > MAX_FILE:
            message = f"The imzML has {size:,} bytes, more than {MAX_FILE:,}. Split the dataset, or bin its pixels."
            raise UnreadableError("imzml-too-large", message)
        while chunk := stream.read(_CHUNK):
            self._beginning = self._beginning or chunk[:60]
            self._read(chunk)
            self._check_memory()
        if not self.fed:
            raise UnreadableError("empty-imzml", "The imzML file is empty. Upload it again.")
        self._feed(b"", last=True)

    def _read(self, chunk: bytes) -> None:
        start = 0
        while self._follow is not None and (found := chunk.find(self._behind, start)) >= 0:
            stop = found + len(self._behind)
            self._feed(chunk[start:stop], last=False)
            read = self._follow(chunk, start, stop)
            self._passed_lines += chunk.count(b"\n", stop, read)
            self._passed += read - stop
            self.fed += read - stop
            start = read
        self._feed(chunk[start:], last=False)

    def _feed(self, data: bytes, *, last: bool) -> None:
        self.fed += len(data)
        try:
            self._expat.Parse(data, last)
        except (LookupError, ValueError) as error:
            if self._names:  # raised by a function that takes the tags
                raise
            message = f"The encoding that the imzML declares cannot be read ({error}). Save it as UTF-8."
            raise UnreadableError("unknown-encoding", message) from None
        except expat.ExpatError as error:
            if not self._beginning.lstrip(_BEFORE_MARKUP).startswith(_MARKUP):
                raise self.not_imzml(f"it begins with {self._beginning!r}") from None
            reason = expat.ErrorString(error.code)
            place = f"byte {self._expat.ErrorByteIndex + self._passed:,} (line {error.lineno + self._passed_lines:,})"
            message = (
                f"The imzML is not well-formed XML at {place}: {reason}. It is damaged or incomplete: upload it again."
            )
            raise UnreadableError("not-well-formed", message) from None

    def _check_memory(self) -> None:
        if self.fed - max(self.position, 0) > _MAX_TOKEN:
            message = (
                f"A tag of the imzML at byte {self.position:,} has more than {_MAX_TOKEN:,} bytes. Export it again."
            )
            raise UnreadableError("tag-too-long", message)
        if len(self._names) > _MAX_NAMES:
            message = f"The imzML uses more than {_MAX_NAMES:,} different names. Export it again."
            raise UnreadableError("too-many-names", message)

    def _refuse_doctype(self, name: str, *_: object) -> None:
        message = (
            f"The file declares a document type ({name[:40]}), which could bring in other files or entities and which "
            f"no imzML needs; it begins with {self._beginning!r}. Give an imzML without such a declaration."
        )
        raise UnreadableError("document-type", message)
