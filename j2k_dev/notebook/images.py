"""Whether two images show the same: their pixels, whatever the encoder wrote around them."""

from __future__ import annotations

import base64
import io
import warnings
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

# Modes that can be turned into RGBA without losing anything.
_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
_PNG = b"\x89PNG\r\n\x1a\n"


def image_difference(expected: str, actual: str) -> tuple[str, str] | None:
    """Compare two base64 images by format, size, frames and pixels; broken ones byte by byte.

    Return None where they show the same, else a short text about each.
    """
    first, second = _decoded(expected), _decoded(actual)
    if first is None or second is None:
        return None if expected == actual else (describe_image(expected), describe_image(actual))
    if first == second:
        return None
    one, other = _frames(first), _frames(second)
    if one is None or other is None:
        return _describe(one, first), _describe(other, second)
    return _compare(one, other)


def describe_image(encoded: str) -> str:
    """Return a short text about a base64 image: format, size, frames."""
    data = _decoded(encoded)
    return f"not base64, {len(encoded)} characters" if data is None else _describe(_frames(data), data)


def _decoded(encoded: str) -> bytes | None:
    """Return the bytes of a base64 text, which may be broken into lines, or None if it is something else."""
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        return None


def _frames(data: bytes) -> list[Image] | None:
    """Return every frame of an image, or None if it can't be read whole and exactly."""
    from PIL import Image  # noqa: PLC0415 -- slow to import, and few comparisons come this far

    if data[: len(_PNG)] == _PNG and data[24:25] == b"\x10" and data[25:26] != b"\x00":
        return None  # Pillow keeps only 8 of 16 bits per colour

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of big images; these are the user's own
        try:
            return list(_each_frame(Image.open(io.BytesIO(data))))
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
            return None


def _each_frame(image: Image) -> Iterator[Image]:
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frame = image.convert("RGBA") if image.mode in _EIGHT_BIT else image.copy()
        frame.format = image.format
        frame.info = {name: image.info.get(name) for name in ("duration", "loop")}
        yield frame


def _describe(frames: list[Image] | None, data: bytes) -> str:
    if frames is None:
        return f"{len(data)} bytes, which can't be compared by pixels"
    many = f", {len(frames)} frames" if len(frames) > 1 else ""
    depth = "" if frames[0].mode == "RGBA" else f" {frames[0].mode}"
    return f"{frames[0].format} {frames[0].width}x{frames[0].height}{depth}{many}"


def _compare(one: list[Image], other: list[Image]) -> tuple[str, str] | None:
    descriptions = _describe(one, b""), _describe(other, b"")
    if descriptions[0] != descriptions[1]:
        return descriptions
    for number, (first, second) in enumerate(zip(one, other, strict=True), start=1):
        difference = _frame_difference(first, second)
        if difference:
            return descriptions[0], f"same size, {f'frame {number}: ' if len(one) > 1 else ''}{difference}"
    return None


def _frame_difference(first: Image, second: Image) -> str:
    if first.info != second.info:
        return "shown for another time"
    if first.size != second.size or first.mode != second.mode:
        return "another size or mode"
    if first.tobytes() == second.tobytes():
        return ""
    return _count(first, second) if first.mode == "RGBA" else "pixels differ"


def _count(first: Image, second: Image) -> str:
    from PIL import ImageChops  # noqa: PLC0415 -- as above

    furthest = reduce(ImageChops.lighter, ImageChops.difference(first, second).split())
    histogram = furthest.histogram()
    total = sum(histogram)
    most = max(value for value, count in enumerate(histogram) if count)
    return f"{total - histogram[0]} of {total} pixels differ, up to {most}/255"
