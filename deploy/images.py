"""The names of the images, from images.env: the one place that says them."""

from pathlib import Path

FILE = Path(__file__).with_name("images.env")


def image_names() -> dict[str, str]:
    lines = FILE.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
