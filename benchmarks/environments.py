"""An environment for each peer: its own packages, and the torch and NumPy of metadx's.

So all sides run the very same torch, and no peer sees another or metadx.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from contender import Failed

ROOT = Path(os.environ.get("METADX_BENCH", Path.home() / ".cache" / "metadx" / "bench"))
RELEASES = {"higher": "0.2.1", "learn2learn": "0.2.0", "torchopt": "0.7.3", "easyfsl": "1.5.0"}
_DONE = ".installed"


def python_of(peer: str | None) -> Path:
    """The interpreter of a peer's environment, which is made where there is none; metadx's own for None, and for a
    peer that somebody has installed beside metadx, as on a machine without a network.

    Raises:
        Failed: the peer cannot be installed; says why.
    """
    if peer is None or _beside(peer):
        return Path(sys.executable)
    folder = _folder(peer)
    python = folder / "bin" / "python"
    if not installed(peer):
        print(f"installing {peer} in {folder}", flush=True)
        _call(sys.executable, "-m", "venv", "--clear", str(folder))
        _share(python)
        PEERS[peer](python)
        (folder / _DONE).touch()
    return python


def installed(peer: str) -> bool:
    """Whether a peer's environment is there."""
    return (_folder(peer) / _DONE).exists() or _beside(peer)


def _beside(peer: str) -> bool:
    """Whether the release that is measured is installed beside metadx."""
    try:
        return version(peer) == RELEASES[peer]
    except PackageNotFoundError:
        return False


def _folder(peer: str) -> Path:
    return ROOT / f"{peer}-python{sys.version_info.major}.{sys.version_info.minor}"


def _share(python: Path) -> None:
    """Lets an environment see the packages of this one, after its own."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    own = Path(_call(str(python), "-c", code).strip())
    (own / "zz_metadx.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")


def _plainly(*packages: str) -> Callable[[Path], None]:
    """Installs packages without what they ask for: their pins would replace torch."""
    return lambda python: _pip(python, "install", "--no-deps", *packages)


def _learn2learn(python: Path) -> None:
    """It publishes no wheel for this Python, and C sources that no longer compile: Cython makes them anew."""
    _pip(python, "install", "cython", "wheel", "setuptools<81")
    _pip(python, "install", "--no-deps", "gym==0.26.2", "gym-notices")
    with tempfile.TemporaryDirectory() as folder:
        release = f"learn2learn=={RELEASES['learn2learn']}"
        _pip(python, "download", "--no-deps", "--no-binary", ":all:", "-d", folder, release)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        source = next(path for path in Path(folder).iterdir() if path.is_dir())
        _call(str(python), "setup.py", "-q", "build_ext", "bdist_wheel", cwd=source)
        _pip(python, "install", "--no-deps", str(next((source / "dist").glob("*.whl"))))


PEERS: dict[str, Callable[[Path], None]] = {
    "higher": _plainly(f"higher=={RELEASES['higher']}"),
    "learn2learn": _learn2learn,
    "torchopt": _plainly(f"torchopt=={RELEASES['torchopt']}", "optree", "graphviz"),
    "easyfsl": _plainly(f"easyfsl=={RELEASES['easyfsl']}"),
}


def _pip(python: Path, *words: str) -> None:
    _call(str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *words)


def _call(*words: str, cwd: Path | None = None) -> str:
    try:
        return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True).stdout
    except (subprocess.CalledProcessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Failed(said[-1] if said else str(error)) from error
