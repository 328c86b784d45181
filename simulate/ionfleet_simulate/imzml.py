"""Writes imzML and ibd, block by block, with little memory and few calls a spectrum."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ionfleet_simulate.simulation import Simulation
from ionfleet_simulate.spectra import Block

_MZ_BYTES = 8
_INTENSITY_BYTES = 4
_UUID_BYTES = 16
_NO_SHA1 = "0" * 40
_FORMAT_VERSION = "1"  # of the simulation: another one makes other bytes of the same settings

_MODES = {"processed": ("IMS:1000031", "processed"), "continuous": ("IMS:1000030", "continuous")}
_POLARITIES = {"positive": ("MS:1000130", "positive scan"), "negative": ("MS:1000129", "negative scan")}
_ANALYZERS = {
    "orbitrap": ("MS:1000484", "orbitrap"),
    "fticr": ("MS:1000079", "fourier transform ion cyclotron resonance mass spectrometer"),
    "tof": ("MS:1000084", "time-of-flight"),
}
_DETECTORS = {
    "orbitrap": ("MS:1000624", "inductive detector"),
    "fticr": ("MS:1000624", "inductive detector"),
    "tof": ("MS:1000114", "microchannel plate detector"),
}

_HEADER = """\
<?xml version="1.0" encoding="UTF-8"?>
<mzML xmlns="http://psi.hupo.org/ms/mzml" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://psi.hupo.org/ms/mzml http://psidev.info/files/ms/mzML/xsd/mzML1.1.0.xsd" version="1.1">
  <cvList count="3">
    <cv id="MS" fullName="Proteomics Standards Initiative Mass Spectrometry Ontology" \
URI="http://psidev.info/ms/mzML/psi-ms.obo"/>
    <cv id="UO" fullName="Unit Ontology" URI="http://purl.obolibrary.org/obo/uo.obo"/>
    <cv id="IMS" fullName="Mass Spectrometry Imaging Ontology" URI="http://www.maldi-msi.org/download/imzml/imagingMS.obo"/>
  </cvList>
  <fileDescription>
    <fileContent>
      <cvParam cvRef="MS" accession="MS:1000579" name="MS1 spectrum"/>
      <cvParam cvRef="MS" accession="MS:1000127" name="centroid spectrum"/>
      <cvParam cvRef="IMS" accession="{mode[0]}" name="{mode[1]}"/>
      <cvParam cvRef="IMS" accession="IMS:1000080" name="universally unique identifier" value="{{{identifier}}}"/>
      <cvParam cvRef="IMS" accession="IMS:1000091" name="ibd SHA-1" value="{sha1}"/>
    </fileContent>
  </fileDescription>
  <referenceableParamGroupList count="4">
    <referenceableParamGroup id="mzArray">
      <cvParam cvRef="MS" accession="MS:1000514" name="m/z array" \
unitCvRef="MS" unitAccession="MS:1000040" unitName="m/z"/>
      <cvParam cvRef="MS" accession="MS:1000523" name="64-bit float"/>
      <cvParam cvRef="MS" accession="MS:1000576" name="no compression"/>
      <cvParam cvRef="IMS" accession="IMS:1000101" name="external data" value="true"/>
    </referenceableParamGroup>
    <referenceableParamGroup id="intensityArray">
      <cvParam cvRef="MS" accession="MS:1000515" name="intensity array" \
unitCvRef="MS" unitAccession="MS:1000131" unitName="number of detector counts"/>
      <cvParam cvRef="MS" accession="MS:1000521" name="32-bit float"/>
      <cvParam cvRef="MS" accession="MS:1000576" name="no compression"/>
      <cvParam cvRef="IMS" accession="IMS:1000101" name="external data" value="true"/>
    </referenceableParamGroup>
    <referenceableParamGroup id="spectrum">
      <cvParam cvRef="MS" accession="MS:1000579" name="MS1 spectrum"/>
      <cvParam cvRef="MS" accession="MS:1000511" name="ms level" value="1"/>
      <cvParam cvRef="MS" accession="MS:1000127" name="centroid spectrum"/>
      <cvParam cvRef="MS" accession="{polarity[0]}" name="{polarity[1]}"/>
    </referenceableParamGroup>
    <referenceableParamGroup id="scan">
      <cvParam cvRef="MS" accession="MS:1000800" name="mass resolving power" value="{resolving_power:.15g}"/>
    </referenceableParamGroup>
  </referenceableParamGroupList>
  <softwareList count="1">
    <software id="ionfleet" version="{version}">
      <cvParam cvRef="MS" accession="MS:1000799" name="custom unreleased software tool" value="ionfleet simulate"/>
    </software>
  </softwareList>
  <scanSettingsList count="1">
    <scanSettings id="scanSettings">
      <cvParam cvRef="IMS" accession="IMS:1000401" name="top down"/>
      <cvParam cvRef="IMS" accession="IMS:1000413" name="flyback"/>
      <cvParam cvRef="IMS" accession="IMS:1000480" name="horizontal line scan"/>
      <cvParam cvRef="IMS" accession="IMS:1000491" name="linescan left right"/>
      <cvParam cvRef="IMS" accession="IMS:1000042" name="max count of pixels x" value="{width}"/>
      <cvParam cvRef="IMS" accession="IMS:1000043" name="max count of pixels y" value="{height}"/>
      <cvParam cvRef="IMS" accession="IMS:1000044" name="max dimension x" value="{dimension_x:d}" \
unitCvRef="UO" unitAccession="UO:0000017" unitName="micrometer"/>
      <cvParam cvRef="IMS" accession="IMS:1000045" name="max dimension y" value="{dimension_y:d}" \
unitCvRef="UO" unitAccession="UO:0000017" unitName="micrometer"/>
      <cvParam cvRef="IMS" accession="IMS:1000046" name="pixel size (x)" value="{pixel_size:.15g}" \
unitCvRef="UO" unitAccession="UO:0000017" unitName="micrometer"/>
      <cvParam cvRef="IMS" accession="IMS:1000047" name="pixel size y" value="{pixel_size:.15g}" \
unitCvRef="UO" unitAccession="UO:0000017" unitName="micrometer"/>
    </scanSettings>
  </scanSettingsList>
  <instrumentConfigurationList count="1">
    <instrumentConfiguration id="instrument">
      <componentList count="3">
        <source order="1">
          <cvParam cvRef="MS" accession="MS:1000075" name="matrix-assisted laser desorption ionization"/>
        </source>
        <analyzer order="2">
          <cvParam cvRef="MS" accession="{analyzer[0]}" name="{analyzer[1]}"/>
        </analyzer>
        <detector order="3">
          <cvParam cvRef="MS" accession="{detector[0]}" name="{detector[1]}"/>
        </detector>
      </componentList>
    </instrumentConfiguration>
  </instrumentConfigurationList>
  <dataProcessingList count="1">
    <dataProcessing id="simulation">
      <processingMethod order="1" softwareRef="ionfleet">
        <cvParam cvRef="MS" accession="MS:1000544" name="Conversion to mzML"/>
      </processingMethod>
    </dataProcessing>
  </dataProcessingList>
  <run id="run" defaultInstrumentConfigurationRef="instrument">
    <spectrumList count="{count}" defaultDataProcessingRef="simulation">
"""

_SPECTRUM = """\
      <spectrum id="spectrum=%d" index="%d" defaultArrayLength="0">
        <referenceableParamGroupRef ref="spectrum"/>
        <cvParam cvRef="MS" accession="MS:1000285" name="total ion current" value="%.9g"/>
        <cvParam cvRef="MS" accession="MS:1000504" name="base peak m/z" value="%r" \
unitCvRef="MS" unitAccession="MS:1000040" unitName="m/z"/>
        <cvParam cvRef="MS" accession="MS:1000505" name="base peak intensity" value="%.9g" \
unitCvRef="MS" unitAccession="MS:1000131" unitName="number of detector counts"/>
        <cvParam cvRef="MS" accession="MS:1000528" name="lowest observed m/z" value="%r" \
unitCvRef="MS" unitAccession="MS:1000040" unitName="m/z"/>
        <cvParam cvRef="MS" accession="MS:1000527" name="highest observed m/z" value="%r" \
unitCvRef="MS" unitAccession="MS:1000040" unitName="m/z"/>
        <scanList count="1">
          <cvParam cvRef="MS" accession="MS:1000795" name="no combination"/>
          <scan>
            <referenceableParamGroupRef ref="scan"/>
            <cvParam cvRef="IMS" accession="IMS:1000050" name="position x" value="%d"/>
            <cvParam cvRef="IMS" accession="IMS:1000051" name="position y" value="%d"/>
          </scan>
        </scanList>
        <binaryDataArrayList count="2">
          <binaryDataArray encodedLength="0">
            <referenceableParamGroupRef ref="mzArray"/>
            <cvParam cvRef="IMS" accession="IMS:1000102" name="external offset" value="%d"/>
            <cvParam cvRef="IMS" accession="IMS:1000103" name="external array length" value="%d"/>
            <cvParam cvRef="IMS" accession="IMS:1000104" name="external encoded length" value="%d"/>
            <binary/>
          </binaryDataArray>
          <binaryDataArray encodedLength="0">
            <referenceableParamGroupRef ref="intensityArray"/>
            <cvParam cvRef="IMS" accession="IMS:1000102" name="external offset" value="%d"/>
            <cvParam cvRef="IMS" accession="IMS:1000103" name="external array length" value="%d"/>
            <cvParam cvRef="IMS" accession="IMS:1000104" name="external encoded length" value="%d"/>
            <binary/>
          </binaryDataArray>
        </binaryDataArrayList>
      </spectrum>
"""

_FOOTER = """\
    </spectrumList>
  </run>
</mzML>
"""


class DatasetWriter:
    """Writes one dataset, as a context: the files appear under their names when it ends without an error.

    The ibd has each spectrum's m/z before its intensities; in continuous mode the shared m/z come first.

    Examples
    --------
    >>> with DatasetWriter(folder, "tissue", simulation, len(sample)) as writer:  # doctest: +SKIP
    ...     for block in sample.blocks():
    ...         writer.write(block)

    """

    def __init__(self, folder: Path, stem: str, simulation: Simulation, spectra: int) -> None:
        """Prepare to write `<stem>.imzML` and `<stem>.ibd` with that many spectra into an existing folder."""
        self.imzml = folder / f"{stem}.imzML"
        self.ibd = folder / f"{stem}.ibd"
        self.peaks = 0
        self._simulation = simulation
        self._count = spectra
        self._written = 0
        self._offset = 0
        self._sha1 = hashlib.sha1(usedforsecurity=False)

    def __enter__(self) -> Self:
        """Open both files under temporary names and begin them."""
        self._ibd = _temporary(self.ibd).open("wb")
        self._xml = _temporary(self.imzml).open("wb")
        # The same settings are the same data: they, and nothing else, make the identifier.
        digest = hashlib.sha256(repr(self._simulation).encode()).digest()
        identifier = uuid.UUID(bytes=digest[:_UUID_BYTES], version=4)
        header = _header(self._simulation, identifier, self._count)
        self._sha1_position = header.index(_NO_SHA1)
        self._xml.write(header.encode())
        self._append(identifier.bytes)
        return self

    def write(self, block: Block) -> None:
        """Append the spectra of a block."""
        if self._simulation.mode == "processed":
            mz_offsets, intensity_offsets = self._write_processed(block)
        else:
            mz_offsets, intensity_offsets = self._write_continuous(block)
        self._xml.write(self._describe(block, mz_offsets, intensity_offsets).encode())
        self._written += len(block.x)
        self.peaks += len(block.intensity)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish both files and give them their names, or remove them after an error."""
        try:
            with self._ibd, self._xml:
                if kind is None:
                    self._finish()
            if kind is None:
                # The imzML last: where it is, its ibd is.
                for path in (self.ibd, self.imzml):
                    _temporary(path).replace(path)
        finally:
            for path in (self.ibd, self.imzml):
                _temporary(path).unlink(missing_ok=True)

    def _finish(self) -> None:
        self._xml.write(_FOOTER.encode())
        self._xml.seek(self._sha1_position)
        self._xml.write(self._sha1.hexdigest().upper().encode())

    def _append(self, data: bytes) -> None:
        self._ibd.write(data)
        self._sha1.update(data)
        self._offset += len(data)

    def _write_processed(self, block: Block) -> tuple[list[int], list[int]]:
        starts, stops = _bounds(block)
        mz = block.mz.astype("<f8", copy=False).data.cast("B")
        intensity = block.intensity.astype("<f4", copy=False).data.cast("B")
        first = self._offset
        pieces = []
        for start, stop in zip(starts, stops, strict=True):
            pieces.append(mz[start * _MZ_BYTES : stop * _MZ_BYTES])
            pieces.append(intensity[start * _INTENSITY_BYTES : stop * _INTENSITY_BYTES])
        self._append(b"".join(pieces))
        mz_offsets = [first + start * (_MZ_BYTES + _INTENSITY_BYTES) for start in starts]
        lengths = zip(mz_offsets, starts, stops, strict=True)
        return mz_offsets, [offset + (stop - start) * _MZ_BYTES for offset, start, stop in lengths]

    def _write_continuous(self, block: Block) -> tuple[list[int], list[int]]:
        if self._offset == _UUID_BYTES:
            self._append(block.mz.astype("<f8", copy=False).tobytes())
        starts, _ = _bounds(block)
        first = self._offset
        self._append(block.intensity.astype("<f4", copy=False).tobytes())
        return [_UUID_BYTES] * len(starts), [first + start * _INTENSITY_BYTES for start in starts]

    def _describe(self, block: Block, mz_offsets: list[int], intensity_offsets: list[int]) -> str:
        """Return the XML of a block's spectra."""
        starts, stops = _bounds(block)
        totals = np.add.reduceat(block.intensity.astype(np.float64), starts).tolist()
        shared = self._simulation.mode == "continuous"
        x, y = block.x.tolist(), block.y.tolist()
        texts = []
        for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            mz = block.mz if shared else block.mz[start:stop]
            intensity = block.intensity[start:stop]
            base = intensity.argmax()
            number, length = self._written + index, stop - start
            texts.append(
                _SPECTRUM
                % (
                    *(number + 1, number, totals[index], mz[base].item(), intensity[base].item()),
                    *(mz[0].item(), mz[-1].item(), x[index], y[index]),
                    *(mz_offsets[index], length, length * _MZ_BYTES),
                    *(intensity_offsets[index], length, length * _INTENSITY_BYTES),
                )
            )
        return "".join(texts)


def _bounds(block: Block) -> tuple[list[int], list[int]]:
    stops = block.stops.tolist()
    return [0, *stops[:-1]], stops


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _header(simulation: Simulation, identifier: uuid.UUID, spectra: int) -> str:
    return _HEADER.format(
        mode=_MODES[simulation.mode],
        identifier=str(identifier).upper(),
        sha1=_NO_SHA1,
        polarity=_POLARITIES[simulation.polarity],
        resolving_power=simulation.resolving_power,
        version=_FORMAT_VERSION,
        width=simulation.width,
        height=simulation.height,
        dimension_x=round(simulation.width * simulation.pixel_size),
        dimension_y=round(simulation.height * simulation.pixel_size),
        pixel_size=simulation.pixel_size,
        analyzer=_ANALYZERS[simulation.analyzer],
        detector=_DETECTORS[simulation.analyzer],
        count=spectra,
    )
