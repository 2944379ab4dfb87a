"""An authority, and certificates of its making, by the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

OPENSSL = shutil.which("openssl")
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificate(NamedTuple):
    """The files of a certificate and of its key."""

    cert: str
    key: str


class Authority:
    """Makes certificates for the loopback interface."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.ca, self._ca_key = str(folder / "ca.pem"), str(folder / "ca.key")
        extensions = ("-addext", "basicConstraints=critical,CA:TRUE")
        usage = ("-addext", "keyUsage=critical,keyCertSign")
        files = ("-keyout", self._ca_key, "-out", self.ca)
        _openssl(
            "req", "-x509", *_NEW_KEY, *files, "-subj", f"/CN={folder.name}", *extensions, *usage
        )

    def issue(self, name: str) -> Certificate:
        """Return a new certificate for 127.0.0.1, and not for localhost."""
        made = Certificate(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        subject = ("-subj", f"/CN={name}")
        _openssl("req", *_NEW_KEY, "-keyout", made.key, "-out", str(request), *subject)
        signer = ("-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial")
        files = ("-in", str(request), "-out", made.cert, "-extfile", str(extensions))
        _openssl("x509", "-req", "-days", "2", *signer, *files)
        return made


def _openssl(*arguments: str) -> None:
    assert OPENSSL is not None
    subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, timeout=20)
