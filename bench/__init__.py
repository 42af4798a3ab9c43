"""Benchmarks: j2k beside its peers, in the same run, on the same machine (``python -m bench``, or ``task bench``)."""
