"""The words of j2k as frozen dataclasses: no I/O, standard library only, Python 3.10 or later."""
