"""The system's part of an image: what programs expect to find that the trace need not have seen, and our own /etc."""

from __future__ import annotations

import os
import re
from pathlib import Path

USER = 65532

_SHELLS = ("/bin/sh", "/bin/bash", "/usr/bin/env")
# Loaded by the C library when it is asked for names, or a thread is cancelled: no program names them as needed.
_LOADED_LATER = re.compile(r"(?:libnss_(?:files|dns)|libgcc_s|libresolv)[-.\d]*\.so[.\d]*")
_LOADER_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/openssl.cnf",
    "/usr/lib/ssl/cert.pem",
    "/usr/lib/ssl/certs",
    "/usr/lib/ssl/openssl.cnf",
)
_SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/debian_version",
)
_FOLDERS = ("/etc/ssl/certs", "/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8", "/usr/share/zoneinfo")
_OTHER_CLOCKS = {"posix", "right"}
# Of /etc, what says how programs work; the rest says what this machine is, or who uses it.
_FINE_IN_ETC = re.compile(
    r"/etc/(?:alternatives|fonts|ld\.so[^/]*|ssl/(?:openssl\.cnf|certs|cert\.pem)|pki/tls/certs|locale[^/]*|localtime"
    r"|timezone|mime\.types|protocols|services|magic[^/]*|python[\d.]*|ipython|jupyter|OpenCL|vulkan|papersize"
    r"|os-release|debian_version|lsb-release|redhat-release|ImageMagick[^/]*|matplotlibrc|R|java[^/]*|perl)(?:/.*)?"
)

OWN_FILES = {
    "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nj2k:x:{USER}:{USER}:j2k:/tmp:/bin/sh\n",
    "/etc/group": f"root:x:0:\nj2k:x:{USER}:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}
"""Made by us instead of copied: who exists in the container, and where names are looked up."""


def is_fine_setting(path: str) -> bool:
    """Tell settings of programs, which go in, from those of this machine and its users."""
    return _FINE_IN_ETC.fullmatch(path) is not None


def system_files() -> list[str]:
    """List what goes in besides what was traced: a shell, time zones, the neutral locale, certificates."""
    named = [*_SHELLS, *_CERTIFICATES, *_SETTINGS]
    below = [file for folder in _FOLDERS for file in _files_below(folder)]
    return [path for path in [*named, *below, *_loaded_later()] if os.path.exists(path)]  # noqa: PTH110 - strings


def _files_below(folder: str) -> list[str]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _OTHER_CLOCKS]
        found += [f"{place}/{name}" for name in names]
    return found


def _loaded_later() -> list[str]:
    folders = {
        place.resolve() for folder in _LOADER_FOLDERS for place in (Path(folder), *Path(folder).glob("*-linux-*"))
    }
    files = [file for folder in sorted(folders) if folder.is_dir() for file in folder.glob("lib*.so*")]
    return [str(file) for file in files if _LOADED_LATER.fullmatch(file.name)]
