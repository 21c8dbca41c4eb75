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
from fer_utils.score.table import ScoreError, check_lines, read_table

ALPHABETICAL = tuple(sorted(EMOTIONS))
"""The label order of whoever read image folders by their names."""
ORDERS = {"the CSV's": EMOTIONS, "alphabetical": ALPHABETICAL}

ID_NAMES = (  # of a column that says which image; an earlier kind goes before a later one
    ("row", "row_id", "rowid"),
    ("id", "index"),
    ("file", "filename", "file_name", "image", "path", "name"),
    ("",),  # a frame's own index
)
ANSWER_NAMES = ("label", "emotion", "prediction", "predicted", "answer", "class", "pred")
FILLERS = {"p", "prob", "proba", "probability", "conf", "confidence", "softmax", "score", "percent", "of"}
FILLERS |= {"pred", "prediction", "emotion", "class"}
"""What may stand beside an emotion in the name of its column."""
WHOLE = {
    USAGE_COUNTS["PrivateTest"]: ("PrivateTest",),
    USAGE_COUNTS["PublicTest"] + USAGE_COUNTS["PrivateTest"]: ("PublicTest", "PrivateTest"),
}
FERPLUS_NAME = re.compile(r"fer(\d{7})\.png$", re.IGNORECASE)  # how FER+ names the row of fer2013.csv
CLEAR = 3  # standard deviations by which one label order has to meet more labels than the other
SUM_TOLERANCE = 0.02  # what rounding to two decimals leaves of a sum of seven


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
            raise ScoreError(
                f"{self.source}: is about rows {self.row_ids.min()} to {self.row_ids.max()} of fer2013.csv, which are "
                f"images of {given}. Give answers to those of {asked}"
            )
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
    columns of probabilities, all or none of them named as emotions, or one column of names or codes.
    """
    notes = []
    row_ids, rest = _which_images(path, read_table(path), notes)
    labels = pd.Series(reported.labels, index=reported.row_ids).reindex(row_ids).fillna(-1).to_numpy(dtype=np.int64)
    seven = _probability_columns(path, rest)
    if seven is None:
        return Answers(str(path), row_ids, _labels(path, rest, labels, notes), None, notes)
    values = _checked(path, seven, notes)
    named = [emotion_of(name) for name in seven]
    probabilities = order_of(path, values, labels, notes) if None in named else sorted_columns(values, named)
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


def _which_images(path, table, notes):
    """(row ids int64 (n,), the columns that are left)."""
    kinds = (np.array([_plain(name) in names for name in table]) for names in ID_NAMES)
    chosen = next((kind for kind in kinds if kind.any()), None)
    if chosen is None:
        return _in_order(path, table, notes), table
    names, columns = table.columns[chosen], table.loc[:, chosen]
    if len(names) > 1:
        raise ScoreError(
            f"{path}: which of the columns {_quoted(names)} names the image? Keep that one, or call it row"
        )
    column, rest = columns.iloc[:, 0], table.loc[:, ~chosen]
    counted = column.tolist() == [str(number) for number in range(len(table))]
    if counted and not _plain(names[0]) and len(table) in WHOLE:  # the index that a frame has by itself
        return _in_order(path, table, notes), rest
    rows = _row_ids(path, column)
    _check_once(path, rows)
    return rows.to_numpy(), rest


def _in_order(path, table, notes):
    """Row ids of a file that names none."""
    usages = WHOLE.get(len(table))
    if usages is None:
        raise ScoreError(
            f"{path}: has no column that says which image a row is about, and {len(table):,} rows below the header are "
            f"neither {' nor '.join(f'{count:,}' for count in WHOLE)}. Add a column row with the row of fer2013.csv, "
            "from 0"
        )
    notes.append(f"No column names the image: taken as {' and '.join(usages)} in the order of fer2013.csv.")
    rows = np.arange(sum(USAGE_COUNTS.values()))
    return rows[np.isin(usage_of(rows), usages)]


def _row_ids(path, column):
    found = column.str.extract(FERPLUS_NAME)[0]
    rows = pd.to_numeric(found.fillna(column), errors="coerce")
    rows = rows.where(rows % 1 == 0, -1).astype(np.int64)
    check_lines(
        path,
        column,
        usage_of(rows) == "none",
        lambda cell: (
            f"{cell!r} is no row of fer2013.csv (0 to {sum(USAGE_COUNTS.values()) - 1:,}) and no file name of FER+ "
            "(fer0028638.png). Names of image folders do not tell the row; give rows"
        ),
    )
    return rows


def _check_once(path, rows):
    twice = rows[rows.duplicated()].unique()
    if len(twice):
        first, second = rows.index[rows == twice[0]][:2]
        raise ScoreError(
            f"{path}: {len(twice):,} images are answered more than once, the first on lines {first} and {second} "
            f"(row {twice[0]}). Give one answer an image; average those of several views"
        )


# --- what was answered -----------------------------------------------------------------------------------------------


def _plain(name):
    return re.sub(r"^unnamed: \d+$", "", name.strip("# ").lower())  # np.savetxt puts # before its header


def _quoted(names):
    return " and ".join(map(repr, names))


def _words(name):
    return {SYNONYMS.get(word, word) for word in re.findall("[a-z]+", name.lower())} - FILLERS


def emotion_of(name):
    """The emotion that a column's name or an answer means, such as "p_happy" or "Happiness (%)", or None."""
    words = _words(name)
    return words.pop() if len(words) == 1 and words <= set(EMOTIONS) else None


def _probability_columns(path, table):
    """The seven columns of probabilities, or None. ScoreError where columns name emotions, but not each once."""
    named = np.array([emotion_of(name) or "" for name in table], str)
    if sorted(named[named != ""]) == sorted(EMOTIONS):
        return table.loc[:, named != ""]
    naming = sum(bool(_words(name) & set(EMOTIONS)) for name in table)
    if naming > any(_plain(name) in ANSWER_NAMES for name in table):  # a label may have one beside it, such as is_happy
        raise ScoreError(f"{path}: {'; '.join(_wrong_names(table.columns, named))}. Name each emotion once")
    numbers = [pd.to_numeric(column, errors="coerce") for _, column in table.items()]
    chosen = [
        _plain(name).isdigit() or (own.dtype == float and own.notna().any() and _plain(name) not in ANSWER_NAMES)
        for name, own in zip(table, numbers, strict=True)
    ]
    if sum(chosen) > len(EMOTIONS):
        names = ", ".join(table.columns[chosen])
        raise ScoreError(f"{path}: which seven of the columns {names} are probabilities? Name them as the emotions")
    return table.loc[:, chosen] if sum(chosen) == len(EMOTIONS) else None


def _wrong_names(names, named):
    """What is wrong with the columns: a sentence each. named: the emotion that each name means, "" for none."""
    for emotion in EMOTIONS:
        if (named == emotion).sum() > 1:
            yield f"the columns {_quoted(names[named == emotion])} each mean {emotion}"
    missing = [emotion for emotion in EMOTIONS if emotion not in named]
    others = [name for name in names[named == ""] if missing and _plain(name) not in ANSWER_NAMES]
    yield from (f"column {name!r} is none of the seven emotions" for name in others)
    yield from (f"{emotion!r} is missing" for emotion in missing)


def sorted_columns(values, names):
    """Columns that stand in the order of `names`, in the order of EMOTIONS."""
    return values[:, [list(names).index(emotion) for emotion in EMOTIONS]]


def _checked(path, columns, notes):
    """Probabilities float64 (n, 7) that sum to 1."""
    numbers = columns.apply(pd.to_numeric, errors="coerce")
    finite = np.isfinite(numbers.to_numpy(dtype=float))
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ScoreError(
            f"{path}: line {columns.index[row]}: column {columns.columns[column]!r} has {columns.iloc[row, column]!r}, "
            "which is no number. Give seven probabilities a line, with points for decimals"
        )
    lowest, sums = numbers.min(axis=1), numbers.sum(axis=1)
    check_lines(
        path, lowest, lowest < 0, lambda cell: "a probability is below 0, so these may be logits. Give their softmax"
    )
    if np.allclose(sums, 100, atol=100 * SUM_TOLERANCE):
        notes.append("The probabilities are percentages.")
    else:
        wrong = ~np.isclose(sums, 1, atol=SUM_TOLERANCE)
        check_lines(path, sums, wrong, lambda own: f"the probabilities sum to {own:.4g}, not to 1. Give the softmax")
    return numbers.div(sums, axis=0).to_numpy(dtype=float)


def _labels(path, table, labels, notes):
    """One label an image, as codes in the order of EMOTIONS."""
    known = np.array([_plain(name) in ANSWER_NAMES for name in table], bool)
    if known.sum() > 1:
        raise ScoreError(
            f"{path}: which of the columns {', '.join(table.columns[known])} has the answers? Keep that one"
        )
    if not known.any() and table.shape[1] != 1:
        raise ScoreError(
            f"{path}: needs seven columns of probabilities, or one called label; it has {', '.join(table) or 'none'}"
        )
    cells = table.iloc[:, int(np.argmax(known))]
    codes, emotions = pd.to_numeric(cells, errors="coerce"), f"Give one of {', '.join(EMOTIONS)}"
    check_lines(path, cells, cells == "", lambda cell: f"has no answer. {emotions}")
    if codes.notna().mean() > 0.5:
        wrong = ~codes.isin(range(len(EMOTIONS)))
        check_lines(path, cells, wrong, lambda cell: f"{cell} is no code from 0 to {len(EMOTIONS) - 1}. {emotions}")
        return order_of(path, np.eye(len(EMOTIONS))[codes.astype(int)], labels, notes).argmax(axis=1)
    names = cells.map(emotion_of)
    check_lines(path, cells, names.isna(), lambda cell: f"{cell!r} is none of the seven emotions. {emotions}")
    return names.map(EMOTIONS.index).to_numpy(dtype=np.int64)


def order_of(path, values, labels, notes, fix="Name the seven columns, or give the emotions' names"):
    """Seven unnamed columns (n, 7) in the order of EMOTIONS: of ``ORDERS`` that under which far more labels are met.

    Where the two give the same answers, as for who always says happy (code 3 in both), it is no matter; where they
    differ by chance only, it cannot be told, and ScoreError names the `fix`.
    """
    ordered = {name: sorted_columns(values, order) for name, order in ORDERS.items()}
    answers = {name: own.argmax(axis=1) for name, own in ordered.items()}
    known = labels >= 0
    hits = {name: int((answer == labels)[known].sum()) for name, answer in answers.items()}
    best, other = sorted(hits, key=hits.get, reverse=True)
    differing = int((answers[best] != answers[other])[known].sum())
    if differing and hits[best] - hits[other] < CLEAR * np.sqrt(differing):
        raise ScoreError(
            f"{path}: the order of the labels cannot be told: {hits[best]:,} answers are right in {best} order, "
            f"{hits[other]:,} in {other} order. {fix}"
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
