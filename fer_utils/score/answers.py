"""Anybody's answers, read from a CSV: which image, and seven probabilities or one label (``score``)."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special

from fer_utils import runs
from fer_utils.data.folders import SYNONYMS
from fer_utils.names import EMOTIONS, USAGE_COUNTS
from fer_utils.score.known import usage_of

ALPHABETICAL = tuple(sorted(EMOTIONS))
"""The label order of whoever read image folders by their names."""
ORDERS = {"the CSV's": EMOTIONS, "alphabetical": ALPHABETICAL}

ID_NAMES = ("row", "row_id", "rowid", "id", "index", "file", "filename", "file_name", "image", "path", "name", "")
ANSWER_NAMES = ("label", "emotion", "prediction", "predicted", "answer", "class", "pred")
WHOLE = {
    USAGE_COUNTS["PrivateTest"]: ("PrivateTest",),
    USAGE_COUNTS["PublicTest"] + USAGE_COUNTS["PrivateTest"]: ("PublicTest", "PrivateTest"),
}
FERPLUS_NAME = re.compile(r"fer(\d{7})\.png$", re.IGNORECASE)  # how FER+ names the row of fer2013.csv
CLEAR = 3  # standard deviations by which one label order has to meet more labels than the other
SUM_TOLERANCE = 0.02  # what rounding to two decimals leaves of a sum of seven


class ScoreError(ValueError):
    """The answers cannot be scored: one message with the file, the place in it, what is wrong, and the mend."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answered.

    row_ids: int64 (n,), rows of fer2013.csv, each once. probabilities: float64 (n, 7) in the order of EMOTIONS, or None
    where there are labels only. predicted: int64 (n,). source: the file. notes: what was concluded in reading it, a
    sentence each.
    """

    source: str
    row_ids: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None
    notes: list = field(default_factory=list)

    def about(self, row_ids):
        """The answers to these rows, in their order; ScoreError where some are missing."""
        position = pd.Series(np.arange(len(self.row_ids)), index=self.row_ids).reindex(row_ids)
        missing = row_ids[position.isna().to_numpy()]
        if len(missing) == len(row_ids):
            given, asked = (" and ".join(np.unique(usage_of(rows))) for rows in (self.row_ids, row_ids))
            raise ScoreError(f"{self.source}: is about images of {given}. Give answers to those of {asked}")
        if len(missing):
            raise ScoreError(
                f"{self.source}: no answer to {len(missing):,} of {len(row_ids):,} images, first to row {missing[0]} "
                "of fer2013.csv. All images have to be answered: leaving out hard ones is no score"
            )
        order = position.to_numpy(dtype=int)
        own = None if self.probabilities is None else self.probabilities[order]
        return Answers(self.source, np.asarray(row_ids), self.predicted[order], own, self.notes)


def read_csv(path, reported) -> Answers:
    """Read answers from a CSV with a header: Answers. Raises ScoreError.

    reported: ``Known``, whose labels only decide in which order seven unnamed columns, or codes, stand.

    Which image: a column called row, id, file or the like, with rows of fer2013.csv or FER+'s file names; without one,
    3,589 rows are PrivateTest's and 7,178 those of both test splits, in the CSV's order. What was answered: seven
    columns of probabilities, named as emotions or not, or one column of names or codes.
    """
    table = _table(path)
    told = [name for name in table.columns if _plain(name) in ID_NAMES]
    ids = min(told, key=lambda name: _plain(name) == "", default=None)  # a frame's own index, which has none, is last
    notes = []
    row_ids = _in_order(path, table, notes) if ids is None else _row_ids(path, table[ids])
    _check_once(path, row_ids)
    rest = table.drop(columns=[] if ids is None else [ids])
    labels = pd.Series(reported.labels, index=reported.row_ids).reindex(row_ids).fillna(-1).to_numpy(dtype=np.int64)
    seven = _probability_columns(rest)
    if seven is None:
        return Answers(str(path), row_ids, _labels(path, rest, labels, notes), None, notes)
    values = _checked(path, rest[seven], notes)
    named = [_emotion(name) for name in seven]
    probabilities = order_of(path, values, labels, notes) if None in named else _sorted(values, named)
    return Answers(str(path), row_ids, probabilities.argmax(axis=1), probabilities, notes)


def read_run(folder, reported) -> Answers:
    """The single-view answers of a finished run of this project to the images of `reported` (``Known``): Answers."""
    run = runs.read_run(folder, needs="validation")  # a rung of the ladder keeps no answers to Training
    parts = [run.predictions[split] for split in ("validation", "test") if split in run.predictions]
    rows, labels, probabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    rows, first = np.unique(rows, return_index=True)  # under the paper's protocol both splits are the same images
    if not np.array_equal(labels[first][np.isin(rows, reported.row_ids)], reported.labels):
        raise ScoreError(f"{folder}: is a run on other data than FER-2013, or on a part of it. Give a run on all of it")
    return Answers(str(folder), rows, probabilities[first].argmax(axis=1), probabilities[first])


# --- which image -----------------------------------------------------------------------------------------------------


def _table(path):
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise ScoreError(f"{path}: no such file. Give the path of predictions.csv") from error
    except (OSError, ValueError) as error:
        raise ScoreError(
            f"{path}: is no CSV to read ({' '.join(str(error).split())}). Save it as CSV, with commas"
        ) from error
    if not len(table):
        raise ScoreError(f"{path}: holds no row below its header. Give a line for each image")
    return table


def _in_order(path, table, notes):
    """Row ids of a file that names none."""
    usages = WHOLE.get(len(table))
    if usages is None:
        raise ScoreError(
            f"{path}: has no column that says which image a row is about, and {len(table):,} rows are neither "
            f"{' nor '.join(f'{count:,}' for count in WHOLE)}. Add a column row with the row of fer2013.csv, from 0"
        )
    notes.append(f"No column names the image: taken as {' and '.join(usages)} in the order of fer2013.csv.")
    rows = np.arange(sum(USAGE_COUNTS.values()))
    return rows[np.isin(usage_of(rows), usages)]


def _row_ids(path, column):
    if pd.api.types.is_numeric_dtype(column):
        wrong = np.flatnonzero(~(column.to_numpy() == np.floor(column.to_numpy())))
        rows = column.fillna(-1).to_numpy().astype(np.int64)
    else:
        found = column.astype(str).str.extract(FERPLUS_NAME)[0]
        rows = pd.to_numeric(found.fillna(column.astype(str)), errors="coerce")
        wrong, rows = np.flatnonzero(rows.isna()), rows.fillna(-1).to_numpy().astype(np.int64)
    outside = np.union1d(wrong, np.flatnonzero(usage_of(rows) == "none"))
    if len(outside):
        raise ScoreError(
            f"{path}: line {outside[0] + 2}: {column.iloc[outside[0]]} is no row of fer2013.csv (0 to "
            f"{sum(USAGE_COUNTS.values()) - 1:,}) and no file name of FER+ (fer0028638.png). Names of image folders "
            "do not tell the row; give rows"
        )
    return rows


def _check_once(path, row_ids):
    values, counts = np.unique(row_ids, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1]
        lines = np.flatnonzero(row_ids == twice[0])[:2] + 2
        raise ScoreError(
            f"{path}: {len(twice):,} images are answered more than once, the first on lines {lines[0]} and {lines[1]} "
            f"(row {twice[0]}). Give one answer an image; average those of several views"
        )


# --- what was answered -----------------------------------------------------------------------------------------------


def _plain(name):
    return re.sub(r"^unnamed: \d+$", "", str(name).strip().lower())


def _emotion(name):
    """The emotion that a column's name or an answer means, or None."""
    plain = re.sub(r"^(p|prob|probability)[ _]", "", _plain(name))
    plain = SYNONYMS.get(plain, plain)
    return plain if plain in EMOTIONS else None


def _probability_columns(table):
    """The names of the seven columns of probabilities, or None where there are none."""
    named = [name for name in table.columns if _emotion(name)]
    if sorted(map(_emotion, named)) == sorted(EMOTIONS):
        return named
    numbers = [name for name in table.columns if pd.api.types.is_float_dtype(table[name]) or _plain(name).isdigit()]
    return numbers if len(numbers) == len(EMOTIONS) else None


def _sorted(values, names):
    """Columns that stand in the order of `names`, in the order of EMOTIONS."""
    return values[:, [list(names).index(emotion) for emotion in EMOTIONS]]


def _checked(path, columns, notes):
    """Probabilities float64 (n, 7) that sum to 1."""
    try:
        values = columns.to_numpy(dtype=float)
    except ValueError as error:
        raise ScoreError(
            f"{path}: the columns {', '.join(map(str, columns))} hold other than numbers ({error}). Give probabilities"
        ) from error
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ScoreError(f"{path}: line {bad[0] + 2}: a probability is missing, or infinite. Give seven numbers a line")
    bad = np.flatnonzero((values < 0).any(axis=1))
    if len(bad):
        raise ScoreError(
            f"{path}: line {bad[0] + 2}: a probability is below 0, so these may be logits. Give their softmax"
        )
    sums = values.sum(axis=1)
    if np.allclose(sums, 100, atol=100 * SUM_TOLERANCE):
        notes.append("The probabilities are percentages.")
    elif not np.allclose(sums, 1, atol=SUM_TOLERANCE):
        first = np.flatnonzero(~np.isclose(sums, 1, atol=SUM_TOLERANCE))[0]
        raise ScoreError(
            f"{path}: line {first + 2}: the probabilities sum to {sums[first]:.4g}, not to 1. Give the softmax"
        )
    return values / sums[:, None]


def _labels(path, table, labels, notes):
    """One label an image, as codes in the order of EMOTIONS."""
    known = [name for name in table.columns if _plain(name) in ANSWER_NAMES]
    if len(known) > 1:
        raise ScoreError(f"{path}: which of the columns {', '.join(map(str, known))} has the answers? Keep that one")
    column = known[0] if known else table.columns[0] if len(table.columns) == 1 else None
    if column is None:
        raise ScoreError(
            f"{path}: needs seven columns of probabilities, or one called label; it has "
            f"{', '.join(map(str, table)) or 'none'}"
        )
    values = table[column]
    if pd.api.types.is_integer_dtype(values):
        return _codes(path, values, labels, notes)
    names = values.map(_emotion)
    if names.isna().any():
        first = int(np.flatnonzero(names.isna())[0])
        raise ScoreError(
            f"{path}: line {first + 2}: {values.iloc[first]!r} is none of the seven emotions. Give one of "
            f"{', '.join(EMOTIONS)}"
        )
    return names.map(EMOTIONS.index).to_numpy(dtype=np.int64)


def _codes(path, values, labels, notes):
    codes = values.to_numpy()
    outside = np.flatnonzero((codes < 0) | (codes >= len(EMOTIONS)))
    if len(outside):
        raise ScoreError(
            f"{path}: line {outside[0] + 2}: {codes[outside[0]]} is no code from 0 to {len(EMOTIONS) - 1}. Give "
            "one, or the emotions' names"
        )
    return order_of(path, np.eye(len(EMOTIONS))[codes], labels, notes).argmax(axis=1)


def order_of(path, values, labels, notes):
    """Seven unnamed columns (n, 7) in the order of EMOTIONS: of ``ORDERS`` that under which far more labels are met.

    Where the two give the same answers, as for who always says happy (code 3 in both), it is no matter; where they
    differ by chance only, it cannot be told.
    """
    ordered = {name: _sorted(values, order) for name, order in ORDERS.items()}
    answers = {name: own.argmax(axis=1) for name, own in ordered.items()}
    known = labels >= 0
    hits = {name: int((answer == labels)[known].sum()) for name, answer in answers.items()}
    best, other = sorted(hits, key=hits.get, reverse=True)
    differing = int((answers[best] != answers[other])[known].sum())
    if differing and hits[best] - hits[other] < CLEAR * np.sqrt(differing):
        raise ScoreError(
            f"{path}: the order of the labels cannot be told: {hits[best]:,} answers are right in {best} order, "
            f"{hits[other]:,} in {other} order. Name the seven columns, or give the emotions' names"
        )
    if differing:
        notes.append(
            f"The labels stand in {best} order ({', '.join(ORDERS[best])}): {hits[best]:,} answers are right in it, "
            f"{hits[other]:,} in {other} order."
        )
    return ordered[best]


def probabilities_of(values, notes):
    """Seven outputs a face as probabilities: as they are where they sum to 1, otherwise their softmax."""
    values = np.asarray(values, float)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=SUM_TOLERANCE):
        return values / values.sum(axis=1, keepdims=True)
    notes.append("The network answers with logits: their softmax is scored.")
    return special.softmax(values, axis=1)
