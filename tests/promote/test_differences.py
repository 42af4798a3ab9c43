"""What may differ between what was verified and what is promoted: the list, and that nothing beside it passes."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from j2k_dev.promote.differences import ADDED, ALLOWED, differences, table, unexpected
from j2k_dev.promote.tree import read_objects
from tests.promote.made import EXAMPLE, base

Path = tuple[str | int, ...]


@functools.cache
def verified() -> tuple[dict[str, Any], ...]:
    return tuple(read_objects(base()))


@functools.cache
def _example() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load_all((EXAMPLE / "built.yaml").read_text()))


def promoted() -> list[dict[str, Any]]:
    """The example's objects, to be changed by whoever asks."""
    return copy.deepcopy(list(_example()))


def one(objects: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    return next(each for each in objects if each["kind"] == kind and name in (each["metadata"]["name"], ""))


def container(objects: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "Deployment", "stage-2-fit")["spec"]["template"]["spec"]["containers"][0]
    return found


def told(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{finding.where}: {finding.told}" for finding in unexpected(verified(), objects)]


def test_the_example_differs_only_where_it_may() -> None:
    assert told(promoted()) == []


def test_every_entry_of_the_list_is_of_use_in_the_example_or_for_a_volume_that_is_there() -> None:
    """Else somebody forgot to take it off."""
    base_objects = {
        (each["kind"], each["metadata"]["name"]): each for each in verified() if each["kind"] != "Namespace"
    }
    used = set()
    for each in promoted():
        before = base_objects.get((each["kind"], each["metadata"]["name"]), one(list(verified()), "Namespace"))
        for change in differences(before, each):
            used |= {
                entry.path for entry in ALLOWED if entry.covers(each["kind"], each["metadata"]["name"], change.path)
            }
    assert {entry.path for entry in ALLOWED} - used == {"spec.volumeName"}


def test_what_was_verified_and_is_left_out_is_found() -> None:
    objects = [each for each in promoted() if each["kind"] != "NetworkPolicy"]
    assert told(objects) == ["NetworkPolicy/health-only: it was verified, and is not promoted"]


def test_what_was_not_verified_is_found() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x", "namespace": "science-weather"}}
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "science-weather"}}
    assert told([*promoted(), job, other]) == [
        "Job/x: it is promoted, and was not verified",
        "ConfigMap/x: it is promoted, and was not verified",
    ]


def test_an_image_of_another_digest_is_found_though_images_may_differ() -> None:
    objects = promoted()
    container(objects)["image"] = "registry.example.org/science/weather@sha256:" + "f" * 64
    (finding,) = told(objects)
    assert "it is another image: the digests differ" in finding


@pytest.mark.parametrize(("mount", "field"), [(1, "subPath"), (1, "name"), (2, "subPath"), (3, "mountPath")])
def test_mounts_may_become_what_the_target_needs_and_nothing_else(mount: int, field: str) -> None:
    objects = promoted()
    container(objects)["volumeMounts"][mount][field] = "exchange"
    (finding,) = told(objects)
    assert f"volumeMounts[{mount}].{field} is 'exchange'" in finding
    assert "it may only become" in finding


def test_an_object_that_stays_in_another_namespace_is_found() -> None:
    objects = promoted()
    one(objects, "Service", "stage-2-fit")["metadata"]["namespace"] = "j2k-weather"
    assert told(objects) == [
        "Service/stage-2-fit: metadata.namespace is j2k-weather, and the pipeline's is science-weather"
    ]


def test_a_second_object_of_a_name_is_found() -> None:
    objects = promoted()
    assert len(told([*objects, one(objects, "Service", "stage-2-fit")])) == 2


def test_the_place_and_both_values_are_told() -> None:
    objects = promoted()
    container(objects)["env"][1]["value"] = "plot"
    place = "spec.template.spec.containers[worker].env[J2K_STAGE].value"
    assert told(objects) == [f"Deployment/stage-2-fit: {place} is 'plot', and was verified as 'fit'"]


@pytest.mark.parametrize(
    "volume",
    [{"hostPath": {"path": "/"}}, {"secret": {"secretName": "x"}}, {"configMap": {"name": "kafka-ca"}, "csi": {}}],
)
def test_volumes_that_may_differ_may_not_become_anything(volume: dict[str, Any]) -> None:
    objects = promoted()
    volumes = one(objects, "Deployment", "stage-2-fit")["spec"]["template"]["spec"]["volumes"]
    assert volumes[-1]["name"] == "kafka-ca"
    volumes[-1] = {"name": "kafka-ca", **volume}
    assert told(objects)


def ends(value: Any, path: Path = ()) -> list[Path]:
    """All places of a tree that hold a plain value."""
    if isinstance(value, dict):
        return [end for key, below in value.items() for end in ends(below, (*path, key))]
    if isinstance(value, list):
        return [end for number, below in enumerate(value) for end in ends(below, (*path, number))]
    return [path]


def reached(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def read(value: Any, path: Path) -> str:
    """A place as the list names it."""
    text = ""
    for key in path:
        below = value[key]
        if isinstance(key, int):
            named = below.get("name") if isinstance(below, dict) and not text.endswith("volumeMounts") else None
            text += f"[{named or key}]"
        else:
            text += f".{key}" if key.replace("-", "").replace("_", "").isalnum() else f"[{key}]"
        value = below
    return text.removeprefix(".")


def may_differ(each: dict[str, Any], path: Path) -> bool:
    kind, name = each["kind"], each["metadata"]["name"]
    return any(entry.covers(kind, name, read(each, path)) for entry in ALLOWED)


@functools.cache
def fixed() -> list[tuple[int, Path]]:
    """Every value of the example that has to be the verified one."""
    extra = {(entry.kind, entry.name) for entry in ADDED}
    return [
        (number, path)
        for number, each in enumerate(_example())
        if not {(each["kind"], ""), (each["kind"], each["metadata"]["name"])} & extra
        for path in ends(each)
        if not may_differ(each, path)
    ]


@settings(deadline=None)
@given(st.data())
def test_a_change_of_any_other_value_is_found_in_its_object(data: st.DataObject) -> None:
    number, path = data.draw(st.sampled_from(fixed()))
    objects = promoted()
    holder = reached(objects[number], path[:-1])
    change = data.draw(st.sampled_from(["other", "gone", "beside"]))
    kind = objects[number]["kind"]
    identity = path in {("kind",), ("metadata", "name")}  # which Kubernetes wants as texts
    if change == "gone" and not identity:
        del holder[path[-1]]
    elif change == "beside" and isinstance(holder, dict):
        holder["planted"] = "x"
    else:
        value = holder[path[-1]]
        any_other = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.lists(st.text(), max_size=2))
        other = st.text() if identity else any_other
        holder[path[-1]] = data.draw(other.filter(lambda new: type(new) is not type(value) or new != value))
    findings = unexpected(verified(), objects)
    assert findings, f"{kind}: {read(_example()[number], path)} was changed ({change})"


def test_there_are_hundreds_of_values_that_have_to_stay() -> None:
    """The property above would hold for none."""
    assert len(fixed()) > 300


def test_the_table_names_every_entry() -> None:
    assert all(f"| `{entry.path}` | {entry.why} |" in table() for entry in ALLOWED)
    assert table().count("the whole object") == len(ADDED)
