"""Check whether data are the original FER-2013, and which images occur twice."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_utils.data.faces import constant
from fer_utils.names import EMOTIONS, EXPECTED_COUNTS, MERGED_USAGE


@dataclass(frozen=True, eq=False)
class IntegrityReport:
    """The result of ``integrity_report``; `str()` makes it readable.

    counts, differences: DataFrames, a row for each usage and a column for each emotion; differences is counts minus the
    original's. constant_images: int64 array, row ids of the images with one gray value only. is_original: whether all
    counts are the original's.
    """

    source: str
    counts: pd.DataFrame
    differences: pd.DataFrame
    constant_images: np.ndarray
    is_original: bool

    def __str__(self):
        lines = [f"{int(self.counts.to_numpy().sum())} images from {self.source}"]
        lines.append(self.counts.assign(total=self.counts.sum(axis=1)).to_string())
        if self.is_original:
            lines.append("All counts are those of the original FER-2013.")
        else:
            lines.append("Not the original FER-2013. Counts minus the original counts:")
            lines.append(self.differences.assign(total=self.differences.sum(axis=1)).to_string())
        ids = self.constant_images
        shown = ", ".join(map(str, ids[:20])) + (", ..." if len(ids) > 20 else "")
        lines.append(f"Constant images (one gray value only): {len(ids)}" + (f", row ids {shown}" if len(ids) else ""))
        return "\n".join(lines)


def integrity_report(faces):
    """Compare `faces` with the original FER-2013 (28,709 / 3,589 / 3,589 images): IntegrityReport."""
    counts, expected = _count_tables(faces)
    differences = counts - expected
    blank = faces.row_ids[constant(faces.images)]
    return IntegrityReport(faces.source, counts, differences, blank, not differences.to_numpy().any())


def _count_tables(faces):
    """Return counts and expected counts: DataFrames with the same rows (usages) and columns (emotions)."""
    if (faces.usage == MERGED_USAGE).any():
        merged = np.add(EXPECTED_COUNTS["PublicTest"], EXPECTED_COUNTS["PrivateTest"])
        known = {"Training": EXPECTED_COUNTS["Training"], MERGED_USAGE: tuple(merged.tolist())}
    else:
        known = EXPECTED_COUNTS
    rows = list(known) + sorted(set(np.unique(faces.usage).tolist()) - set(known))
    counted = [np.bincount(faces.labels[faces.usage == usage], minlength=len(EMOTIONS)) for usage in rows]
    expected = [known.get(usage, (0,) * len(EMOTIONS)) for usage in rows]
    return tuple(pd.DataFrame(table, index=rows, columns=EMOTIONS).astype(int) for table in (counted, expected))


def count_differences(faces):
    """Return a list with one warning that names the counts unlike the original's; an empty list if all agree."""
    counts, expected = _count_tables(faces)
    if counts.equals(expected):
        return []
    differences = []
    for usage in counts.index:
        differing = [emotion for emotion in EMOTIONS if counts.at[usage, emotion] != expected.at[usage, emotion]]
        if not counts.loc[usage].any():
            differences.append(f"{usage} no image instead of {expected.loc[usage].sum()}")
        elif differing:
            total = f"{usage} {counts.loc[usage].sum()} images instead of {expected.loc[usage].sum()}"
            each = (f"{name} {counts.at[usage, name]} instead of {expected.at[usage, name]}" for name in differing)
            differences.append(f"{total} ({', '.join(each)})")
    return [f"{faces.source}: the counts differ from the original FER-2013: {'; '.join(differences)}."]


def exact_duplicates(faces):
    """Find every image that has an exact copy, byte by byte: DataFrame, a row per image, empty if there is none.

    Columns: group (int from 0, in the order of first appearance), row_id, usage, emotion (name), constant (bool: one
    gray value only, so that a copy says nothing about a face). Sorted by group, then in the order of `faces`.
    """
    contents = pd.Series([image.tobytes() for image in faces.images], dtype=object)
    positions = np.flatnonzero(contents.duplicated(keep=False))
    table = pd.DataFrame(
        {
            "group": pd.factorize(contents[positions])[0],
            "row_id": faces.row_ids[positions],
            "usage": faces.usage[positions],
            "emotion": np.array(EMOTIONS)[faces.labels[positions]],
            "constant": constant(faces.images[positions]),
        }
    )
    return table.sort_values("group", kind="stable", ignore_index=True)
