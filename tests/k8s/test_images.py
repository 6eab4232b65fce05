"""Images are those of `deploy/images.env`, for everything else that starts containers too."""

from pathlib import Path

from tests.k8s.rendered import Rendered

IMAGES = Path(__file__).resolve().parents[2] / "deploy/images.env"


def named() -> dict[str, str]:
    return dict(line.split("=", 1) for line in IMAGES.read_text().splitlines() if line and not line.startswith("#"))


def test_pods_run_the_images_that_are_named_there(site: Rendered) -> None:
    images = named()
    expected = {images["DISPATCHER_IMAGE"], images["RABBITMQ_IMAGE"]}
    if site.overlay == "dev":
        expected.add(images["MONGO_IMAGE"])
    assert set(site.images) == expected


def test_the_mongodb_that_the_operator_starts_is_of_the_same_version(prod: Rendered) -> None:
    version = prod.one("MongoDBCommunity", "mongodb")["spec"]["version"]
    assert version.startswith(named()["MONGO_IMAGE"].split(":")[1] + ".")
