"""Image archives: the same content gives the same bytes, in the form that Docker loads."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from j2k_dev.sandbox.building.archive import Entry, entries_of, write_image, write_layer


def names_and_infos(archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as tar:
        return {info.name: info for info in tar}


def test_a_layer_holds_files_links_and_the_folders_they_lie_in(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(b"\x7fELF...")
    entries = [Entry("/usr/bin/program", source), Entry("/bin/other", link="../usr/bin/program")]
    infos = names_and_infos(write_layer(tmp_path / "layer.tar", entries))
    assert list(infos) == ["bin", "bin/other", "usr", "usr/bin", "usr/bin/program"]
    assert infos["usr/bin"].isdir()
    assert infos["bin/other"].linkname == "../usr/bin/program"


def test_what_can_be_run_is_known_by_its_content_not_by_its_mode(tmp_path: Path) -> None:
    for name, content, mode in (("script", "#!/bin/sh\n", 0o644), ("data", "key: value\n", 0o755)):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    entries = [Entry(name, tmp_path / name) for name in ("script", "data")]
    infos = names_and_infos(write_layer(tmp_path / "layer.tar", entries))
    assert infos["script"].mode == 0o755
    assert infos["data"].mode == 0o644


def test_a_folder_keeps_its_owner_and_mode(tmp_path: Path) -> None:
    entries = [Entry("/var/lib/kafka", owner="1000:1001"), Entry("/tmp", mode=0o1777)]
    infos = names_and_infos(write_layer(tmp_path / "layer.tar", entries))
    assert (infos["var/lib/kafka"].uid, infos["var/lib/kafka"].gid) == (1000, 1001)
    assert infos["tmp"].mode == 0o1777


def test_a_folder_of_files_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "libs" / "deep").mkdir(parents=True)
    (tmp_path / "libs" / "a.jar").write_text("a")
    (tmp_path / "libs" / "deep" / "b.jar").write_text("b")
    assert [entry.name for entry in entries_of("/opt/libs", tmp_path / "libs")] == [
        "/opt/libs/a.jar",
        "/opt/libs/deep/b.jar",
    ]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    for name in ("one", "two"):
        layer = write_layer(tmp_path / f"{name}.layer", [Entry("b", tmp_path / "file"), Entry("a")])
        write_image(tmp_path / name, "j2k.local/x:1", [layer], {"User": "1:1"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_image_names_its_layers_by_what_they_hold(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer", [Entry("folder")])
    image = write_image(tmp_path / "image.tar", "j2k.local/x:1", [layer], {"Env": ["A=1"], "Cmd": ["run"]})
    with tarfile.open(image) as tar:
        contents = {info.name: (tar.extractfile(info) or io.BytesIO()).read() for info in tar}
    [manifest] = json.loads(contents["manifest.json"])
    config = json.loads(contents[manifest["Config"]])
    assert manifest["RepoTags"] == ["j2k.local/x:1"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(contents[manifest['Layers'][0]]).hexdigest()}"]
    assert config["config"]["Cmd"] == ["run"]
    assert config["config"]["Env"][-1] == "A=1"
