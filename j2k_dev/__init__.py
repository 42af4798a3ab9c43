"""j2k: turns a Jupyter notebook, unedited, into a pipeline that survives failures."""

__version__ = "0.1.0"
