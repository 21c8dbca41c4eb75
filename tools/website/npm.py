"""Fetch the npm packages of the site and its tests: one version each, with a checksum, kept in outputs/npm."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile

from addresses import ROOT

KEPT = ROOT / "outputs/npm"
SHA256 = {
    "axe-core@4.14.1": "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
    "onnxruntime-web@1.30.0": "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    "@tensorflow/tfjs-backend-wasm@4.22.0": "5cd6f5e18657c12fb94f4ec3dcef485c8c1a9ca39f3ef1d261c1cb13c1a231c3",
    "@vladmandic/face-api@1.7.15": "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
}


class NpmError(Exception):
    """A package cannot be fetched or used. The message names the reason and the fix."""


def read(package, files):
    """Return the content of `files` of a package (a key of SHA256): name -> bytes. Fetches the package if needed.

    Raises NpmError if npm or the network is missing, or if the package's checksum is not the pinned one.
    """
    path = KEPT / f"{package.lstrip('@').replace('/', '-').replace('@', '-')}.tgz"
    if not path.is_file():
        _fetch(package, path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[package]:
        raise NpmError(f"{path} is not the {package} that was pinned. Delete it; the next run fetches it again")
    with tarfile.open(path) as packed:
        return {name: packed.extractfile(f"package/{name}").read() for name in files}


def _fetch(package, path):
    if shutil.which("npm") is None:
        raise NpmError(f"npm is not on this machine, but is needed to fetch {package}. Install Node.js, then repeat")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # so that `path` never holds half a package
        command = ["npm", "pack", "--silent", package]
        try:
            name = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=300).stdout
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NpmError(f"npm could not fetch {package}: {error.stderr or error}") from error
        shutil.move(f"{folder}/{name.strip()}", path)
