"""Annotation of imaging mass spectrometry datasets: the domain, which knows nothing of AWS."""

__version__ = "0.1.0"
