"""What lies in an image, layer by layer."""

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path


def files_of(image: str, *, above: int = 0, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file in the layers after the first `above` ones, hidden ones included."""
    saved = folder / "image.tar"
    subprocess.run(["docker", "save", "--output", str(saved), image], check=True)
    with tarfile.open(saved) as archive:
        for layer in _layers(archive)[above:]:
            yield from _files(archive, layer)
    saved.unlink()


def _layers(archive: tarfile.TarFile) -> list[str]:
    manifest = archive.extractfile("manifest.json")
    assert manifest
    [image] = json.load(manifest)
    return list(image["Layers"])


def _files(archive: tarfile.TarFile, layer: str) -> Iterator[tuple[str, bytes]]:
    packed = archive.extractfile(layer)
    assert packed
    with tarfile.open(fileobj=io.BytesIO(packed.read())) as content:
        for member in content:
            file = content.extractfile(member) if member.isfile() else None
            if file:
                yield member.name, file.read()
