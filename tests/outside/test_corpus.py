"""The list of outside notebooks is what it claims to be, and every commit looks at another part of it."""

from __future__ import annotations

import string
from pathlib import PurePosixPath

from tests.outside.corpus import for_the_cluster, load, sample


def test_there_are_at_least_forty_notebooks_and_none_twice() -> None:
    notebooks = load()
    assert len(notebooks) >= 40
    assert len({str(notebook) for notebook in notebooks}) == len(notebooks)


def test_at_least_fifteen_of_them_are_for_the_cluster() -> None:
    marked = for_the_cluster(load())
    assert len(marked) >= 15
    assert sum(len(package.cluster) for package in {notebook.package for notebook in load()}) == len(marked)


def test_every_package_is_pinned_by_version_and_hash() -> None:
    for package in {notebook.package for notebook in load()}:
        assert package.version
        assert len(package.sha256) == 64
        assert set(package.sha256) <= set(string.hexdigits.lower())


def test_paths_stay_inside_the_package() -> None:
    for notebook in load():
        path = PurePosixPath(notebook.path)
        assert path.suffix == ".ipynb"
        assert not path.is_absolute()
        assert ".." not in path.parts


def test_a_sample_is_the_same_for_the_same_commit() -> None:
    assert sample(load(), "3b0abf8", 8) == sample(load(), "3b0abf8", 8)


def test_samples_of_many_commits_reach_every_notebook() -> None:
    seen = {notebook for commit in range(200) for notebook in sample(load(), str(commit), 8)}
    assert seen == set(load())
