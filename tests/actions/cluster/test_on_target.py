"""What is tried on a cluster never takes the place of what was promoted there; the cluster is a fake."""

from __future__ import annotations

import json

import pytest

from j2k_dev.actions.cluster.on_target import refuse_promoted
from j2k_dev.model.errors import Refused
from j2k_dev.promote.release import to_config_map
from tests.actions.config_maps import ConfigMaps
from tests.promote.made_plan import release


def test_a_namespace_that_holds_what_was_promoted_is_refused() -> None:
    cluster = ConfigMaps("j2k-weather")
    refuse_promoted(cluster, "j2k-weather", "weather")
    cluster.call("create", stdin=json.dumps(to_config_map(release(1), "j2k-weather")))
    with pytest.raises(Refused, match="holds what was promoted") as caught:
        refuse_promoted(cluster, "j2k-weather", "weather")
    assert "--target FILE" in caught.value.way_out
