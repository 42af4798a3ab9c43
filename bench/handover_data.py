"""What is handed over: an array of 256 MiB, and a table of two million rows; and a sum that shows it arrived whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

ARRAY_BYTES = 256 << 20
ROWS = 2_000_000


def make(kind: str) -> Any:
    """Make the array or the table, the same each time."""
    random = np.random.default_rng(7)
    if kind == "array":
        return random.random(ARRAY_BYTES // 8)
    words = np.array([f"station {number}" for number in range(5000)])
    return pd.DataFrame(
        {
            "number": random.integers(0, 10**9, ROWS),
            "small": random.integers(0, 100, ROWS).astype("int32"),
            "value": random.normal(size=ROWS),
            "flag": random.random(ROWS) < 0.5,
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 10**8, ROWS), unit="s"),
            "kind": pd.Categorical.from_codes(random.integers(0, 50, ROWS), [f"kind {n}" for n in range(50)]),
            "place": words[random.integers(0, len(words), ROWS)],
        }
    )


def first_use(data: Any) -> float:
    """Read all of it once, and return a sum of it."""
    if isinstance(data, np.ndarray):
        return float(data.sum())
    numbers = data["number"].sum() + data["small"].sum() + data["flag"].sum() + data["kind"].cat.codes.sum()
    return float(numbers + data["value"].sum() + data["when"].dt.day.sum() + data["place"].str.len().sum())


def size(data: Any) -> int:
    """Return its bytes in memory."""
    return int(data.nbytes if isinstance(data, np.ndarray) else data.memory_usage(deep=True).sum())
