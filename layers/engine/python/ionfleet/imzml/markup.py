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

    def handle(self, start: Start, end: End) -> None:
        """Call these from the next tag on; may itself be called by such a function."""
        self._expat.StartElementHandler = start
        self._expat.EndElementHandler = end

    @property
    def position(self) -> int:
        """Byte of the file that the tag at hand begins at."""
        return self._expat.CurrentByteIndex

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
        fed = 0
        while chunk := stream.read(_CHUNK):
            self._beginning = self._beginning or chunk[:60]
            fed += len(chunk)
            self._feed(chunk, last=False)
            self._check_memory(fed)
        if not fed:
            raise UnreadableError("empty-imzml", "The imzML file is empty. Upload it again.")
        self._feed(b"", last=True)

    def _feed(self, data: bytes, *, last: bool) -> None:
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
            place = f"line {error.lineno}, column {error.offset + 1}"
            message = (
                f"The imzML is not well-formed XML at {place}: {reason}. It is damaged or incomplete: upload it again."
            )
            raise UnreadableError("not-well-formed", message) from None

    def _check_memory(self, fed: int) -> None:
        if fed - max(self.position, 0) > _MAX_TOKEN:
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
