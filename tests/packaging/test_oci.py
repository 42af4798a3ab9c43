"""Images follow from their layers and settings alone; the Dockerfile and the archive say the same."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.packaging.layer import write_layer
from j2k_dev.packaging.oci import Image, Settings, digest_of, docker_archive, dockerfile
from j2k_dev.packaging.tree import text_file, with_parents

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(("/bin/python", "-P"), {"B": 'x "y"', "A": "1"}, {"j2k.dev/stage": "load"}, 65532)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    layer = write_layer(with_parents([text_file("/etc/motd", b"hello")]), tmp_path / "one.tar")
    return Image((layer,), SETTINGS)


def test_the_digest_depends_on_layers_and_settings_alone(image: Image, tmp_path: Path) -> None:
    layer = write_layer(with_parents([text_file("/etc/motd", b"hello")]), tmp_path / "one.tar")
    assert Image((layer,), SETTINGS).digest == image.digest
    other = write_layer(with_parents([text_file("/etc/motd", b"bye")]), tmp_path / "other.tar")
    assert Image((other,), SETTINGS).digest != image.digest


def test_the_configuration_is_what_restricted_pods_need(image: Image) -> None:
    config = json.loads(image.config)
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Env"] == ["A=1", 'B=x "y"']
    assert config["rootfs"]["diff_ids"] == [image.layers[0].digest]


def test_the_manifest_names_configuration_and_layers_by_hash_and_size(image: Image) -> None:
    manifest = json.loads(image.manifest)
    assert manifest["config"]["digest"] == digest_of(image.config) == image.id
    assert [(layer["digest"], layer["size"]) for layer in manifest["layers"]] == [
        (image.layers[0].digest, image.layers[0].file.stat().st_size)
    ]


def test_the_archive_holds_the_whole_image_under_its_name(image: Image) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(docker_archive(image, "j2k.local/x:1")))) as tar:
        contents = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    (listed,) = json.loads(contents["manifest.json"])
    assert listed["RepoTags"] == ["j2k.local/x:1"]
    assert contents[listed["Config"]] == image.config
    assert contents[listed["Layers"][0]] == image.layers[0].file.read_bytes()


def test_the_dockerfile_says_how_the_image_is_made(image: Image) -> None:
    assert dockerfile("scratch", (image.layers[0].file,), SETTINGS).splitlines()[1:] == [
        "FROM scratch",
        "ADD one.tar /",
        'ENV A="1"',
        'ENV B="x \\"y\\""',
        'LABEL j2k.dev/stage="load"',
        "USER 65532:65532",
        "WORKDIR /tmp",
        'ENTRYPOINT ["/bin/python", "-P"]',
    ]


def test_the_dockerfile_says_where_what_it_stands_on_is_made(image: Image) -> None:
    lines = dockerfile("j2k.local/x:1", (image.layers[0].file,), SETTINGS, "../environment-1").splitlines()
    assert lines[1:3] == [
        "# What it stands on is made first: docker build -t j2k.local/x:1 ../environment-1",
        "FROM j2k.local/x:1",
    ]


def test_the_dockerfile_puts_nothing_into_values_and_says_what_it_cant_say(image: Image) -> None:
    settings = replace(SETTINGS, environment={"COST": r"$5 \t é", "LINES": "a\nb"})
    lines = dockerfile("scratch", (), settings).splitlines()
    assert r'ENV COST="\$5 \\t é"' in lines
    assert any(line.startswith("# ENV LINES has several lines") for line in lines)
