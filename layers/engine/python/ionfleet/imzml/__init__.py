"""imzML files: from the XML to the spectra index, checked against the ibd before any work is planned."""

from ionfleet.imzml.reader import check_checksums, index_imzml, inspect_imzml

__all__ = ["check_checksums", "index_imzml", "inspect_imzml"]
