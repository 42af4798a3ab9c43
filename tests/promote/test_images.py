"""What images are called where they go: the digest stays."""

from __future__ import annotations

import pytest

from j2k_dev.model.errors import Refused
from j2k_dev.promote.images import copies, digest_of, host_and_path, pulled_as, total
from j2k_dev.promote.model import ImageCopy

ONE, TWO = (f"sha256:{letter * 64}" for letter in "ab")
STAGES = {"load": f"localhost:5001/j2k/weather@{ONE}", "fit": f"localhost:5001/j2k/weather@{TWO}"}


def test_images_are_copied_by_digest_into_the_targets_repository() -> None:
    assert copies(STAGES, "registry.example.org/science/weather", {ONE: 7}) == (
        ImageCopy("load", STAGES["load"], "registry.example.org/science/weather", ONE, 7),
        ImageCopy("fit", STAGES["fit"], "registry.example.org/science/weather", TWO, 0),
    )


def test_the_cluster_pulls_the_same_digests_by_its_own_name_of_the_registry() -> None:
    assert pulled_as(STAGES, "registry.internal/weather") == {
        STAGES["load"]: f"registry.internal/weather@{ONE}",
        STAGES["fit"]: f"registry.internal/weather@{TWO}",
    }


@pytest.mark.parametrize("reference", ["localhost:5001/j2k/weather", "localhost:5001/j2k/weather:latest"])
def test_an_image_without_a_digest_is_refused(reference: str) -> None:
    with pytest.raises(Refused, match="has no digest"):
        copies({"load": reference}, "registry.example.org/weather", {})


def test_a_reference_is_split_into_registry_and_path() -> None:
    assert host_and_path(STAGES["fit"]) == ("localhost:5001", "j2k/weather")
    assert host_and_path("registry.example.org/science/weather") == ("registry.example.org", "science/weather")
    assert digest_of(STAGES["fit"]) == TWO


def test_what_is_to_be_copied_is_summed() -> None:
    assert total(copies(STAGES, "registry.example.org/weather", {ONE: 7, TWO: 1})) == 8
