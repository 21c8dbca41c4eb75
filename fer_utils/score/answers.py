"""Read anybody's predictions from a CSV: which image, and seven probabilities or one label (``score``)."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special
from scipy.optimize import linear_sum_assignment

from fer_utils import runs
from fer_utils.data.folders import SYNONYMS
from fer_utils.names import EMOTIONS, USAGE_COUNTS
from fer_utils.score.known import usage_of
from fer_utils.score.table import ScoreError, check_lines, read_table

# Programs that read image folders by name number the labels alphabetically.
ORDERS = {"the CSV's": EMOTIONS, "alphabetical": tuple(sorted(EMOTIONS))}

ID_NAMES = (  # names of a column that identifies the image, joined; an earlier group has precedence over a later one
    ("row", "rowid"),
    ("id", "index"),
    ("file", "filename", "image", "imagename", "path", "name"),  # FER+ writes "Image name"
    ("",),  # the index that pandas writes
)
ANSWER_NAMES = ("label", "emotion", "prediction", "predicted", "answer", "class", "pred")
FILLERS = {"p", "prob", "proba", "probability", "conf", "confidence", "softmax", "score", "percent", "of"}
FILLERS |= {"pred", "prediction", "emotion", "class"}
"""Words that may accompany an emotion in the name of its column."""
WHOLE = {
    USAGE_COUNTS["PrivateTest"]: ("PrivateTest",),
    USAGE_COUNTS["PublicTest"] + USAGE_COUNTS["PrivateTest"]: ("PublicTest", "PrivateTest"),
}
FERPLUS_NAME = re.compile(r"fer(\d{7})\.png$", re.IGNORECASE)  # FER+'s file name for a row of fer2013.csv
CLEAR = 3  # standard deviations by which one label order must agree with more labels than the other
SUM_TOLERANCE = 0.035  # rounding to two decimals moves each of seven by up to 0.005


@dataclass(frozen=True, eq=False)
class Answers:
    """The predictions of a model.

    row_ids: int64 (n,), rows of fer2013.csv, each once. predicted: int64 (n,), 0 to 6. probabilities: float64 (n, 7) in
    the order of EMOTIONS, or None for labels only. source: the file. notes: sentences on how the file was understood.
    """

    source: str
    row_ids: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None
    notes: list = field(default_factory=list)

    def about(self, row_ids):
        """Return the predictions for these rows, in their order. Raises ScoreError if some are missing."""
        position = pd.Index(self.row_ids).get_indexer(row_ids)
        missing = row_ids[position < 0]
        if len(missing) == len(row_ids):
            given, needed = (" and ".join(np.unique(usage_of(rows))) for rows in (self.row_ids, row_ids))
            raise ScoreError(
                f"{self.source}: predicts rows {self.row_ids.min()} to {self.row_ids.max()} of fer2013.csv, which are "
                f"images of {given}. Give predictions for the images of {needed}"
            )
        if len(missing):
            raise ScoreError(
                f"{self.source}: has no prediction for {len(missing):,} of {len(row_ids):,} images; the first is row "
                f"{missing[0]} of fer2013.csv. Predict every image: a score without the hard images is not comparable"
            )
        probabilities = None if self.probabilities is None else self.probabilities[position]
        return Answers(self.source, row_ids, self.predicted[position], probabilities, self.notes)


def read_csv(path, reported) -> Answers:
    """Read predictions from a CSV with a header. Raises ScoreError if they cannot be read.

    reported: ``Known``. Its labels only decide the order of codes, or of seven columns without names.

    Image: a column named row, id, file or similar, with rows of fer2013.csv or FER+'s file names. Without one, 3,589
    lines are PrivateTest and 7,178 lines are both test splits, in the CSV's order. Prediction: seven columns of
    probabilities, of which all or none are named after emotions, or one column of names or codes.
    """
    notes = []
    row_ids, rest = _which_images(path, read_table(path), notes)
    labels = pd.Series(reported.labels, index=reported.row_ids).reindex(row_ids).fillna(-1).to_numpy(dtype=np.int64)
    columns = _probability_columns(path, rest)
    if columns is None:
        return Answers(str(path), row_ids, _labels(path, rest, labels, notes), None, notes)
    values, emotions = _checked(path, columns, notes), [emotion_of(name) for name in columns]
    probabilities = order_of(path, values, labels, notes) if None in emotions else sorted_columns(values, emotions)
    return Answers(str(path), row_ids, probabilities.argmax(axis=1), probabilities, notes)


def read_run(folder, reported) -> Answers:
    """Read the single-view predictions of a finished run of this project for the images of `reported` (``Known``).

    Raises RunError if the run cannot be read, and ScoreError if its data are not FER-2013 or PrivateTest lacks.
    """
    run = runs.read_run(folder, needs="validation")  # a rung of the ladder keeps no predictions for Training
    if "test" not in run.predictions:
        raise ScoreError(f"{folder}: never opened PrivateTest. Give a run that did (notebook 08: FINAL = True)")
    parts = [run.predictions[split] for split in ("validation", "test") if split in run.predictions]
    rows, labels, probabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    rows, first = np.unique(rows, return_index=True)  # under the paper's protocol both splits are the same images
    if not np.array_equal(labels[first][np.isin(rows, reported.row_ids)], reported.labels):
        raise ScoreError(f"{folder}: is a run on other data than FER-2013, or on a part of it. Give a run on all of it")
    return Answers(str(folder), rows, probabilities[first].argmax(axis=1), probabilities[first])


# --- which image -----------------------------------------------------------------------------------------------------


def _which_images(path, table, notes):
    """Return the row ids, int64 (n,), and the remaining columns."""
    joined = [re.sub("[ _-]", "", _plain(name)) for name in table]
    kinds = [np.array([name in names for name in joined]) for names in ID_NAMES]
    kinds.insert(-1, np.array([all(map(FERPLUS_NAME.search, cells)) for _, cells in table.items()]))  # of any name
    chosen = next((kind for kind in kinds if kind.any()), None)
    if chosen is None:
        return _in_order(path, table, notes), table
    names, rest = table.columns[chosen], table.loc[:, ~chosen]
    if len(names) > 1:
        raise ScoreError(
            f"{path}: which of the columns {_quoted(names)} names the image? Keep that one, or call it row"
        )
    column = table.loc[:, chosen].iloc[:, 0]
    counted = column.tolist() == [str(number) for number in range(len(table))]
    if counted and not _plain(names[0]) and len(table) in WHOLE:  # pandas numbered the lines: these are no row ids
        return _in_order(path, table, notes), rest
    rows = _row_ids(path, column)
    twice = rows[rows.duplicated()].unique()
    if len(twice):
        first, second = rows.index[rows == twice[0]][:2]
        raise ScoreError(
            f"{path}: {len(twice):,} images have more than one prediction, the first on lines {first} and {second} "
            f"(row {twice[0]}). Give one prediction per image; average those of several views"
        )
    return rows.to_numpy(), rest


def _in_order(path, table, notes):
    """Return the row ids for a file that names none, int64 (n,)."""
    usages = WHOLE.get(len(table))
    if usages is None:
        raise ScoreError(
            f"{path}: has no column that identifies the image, and {len(table):,} rows below the header are neither "
            f"{' nor '.join(f'{count:,}' for count in WHOLE)}. Add a column row with the row of fer2013.csv, from 0"
        )
    notes.append(
        f"No column identifies the image: the lines are taken as {' and '.join(usages)} in the order of fer2013.csv."
    )
    rows = np.arange(sum(USAGE_COUNTS.values()))
    return rows[np.isin(usage_of(rows), usages)]


def _row_ids(path, column):
    """Return the rows of fer2013.csv that the cells of a column mean: Series of int64."""
    found = column.str.extract(FERPLUS_NAME)[0]
    rows = pd.to_numeric(found.fillna(column), errors="coerce")
    rows = rows.where(rows % 1 == 0, -1).astype(np.int64)
    last = sum(USAGE_COUNTS.values()) - 1
    problem = f"is no row of fer2013.csv (0 to {last:,}) and no file name of FER+ (fer0028638.png)"
    fix = "File names of image folders do not show the row; give rows"
    check_lines(path, column, usage_of(rows) == "none", lambda cell: f"{cell!r} {problem}. {fix}")
    return rows


# --- which prediction ------------------------------------------------------------------------------------------------


def _plain(name):
    return re.sub(r"^unnamed: \d+$", "", name.strip("# ").lower())  # np.savetxt puts # before its header


def _quoted(names):
    return " and ".join(map(repr, names))


def _words(name):
    return {SYNONYMS.get(word, word) for word in re.findall("[a-z]+", name.lower())} - FILLERS


def emotion_of(name):
    """Return the emotion that a label or a column's name means, such as "p_happy" or "Happiness (%)", or None."""
    words = _words(name)
    return words.pop() if len(words) == 1 and words <= set(EMOTIONS) else None


def _probability_columns(path, table):
    """Return the seven columns of probabilities, or None. Raises ScoreError if it is unclear which they are."""
    emotions = np.array([emotion_of(name) or "" for name in table], str)
    if sorted(emotions[emotions != ""]) == sorted(EMOTIONS):
        return table.loc[:, emotions != ""]
    labelled = [_plain(name) in ANSWER_NAMES for name in table]
    naming = sum(bool(_words(name) & set(EMOTIONS)) for name in table)
    allowed = 1 if any(labelled) else 0  # next to a label there may be one such column, for example is_happy
    if naming > allowed:
        raise ScoreError(f"{path}: {'; '.join(_wrong_names(table.columns, emotions))}. Name each emotion once")
    chosen = []
    for (name, column), is_label in zip(table.items(), labelled, strict=True):
        numbers = pd.to_numeric(column, errors="coerce")
        fractions = numbers.dtype == float and numbers.notna().any()
        chosen.append(_plain(name).isdigit() or (fractions and not is_label))
    if sum(chosen) > len(EMOTIONS):
        names = ", ".join(table.columns[chosen])
        raise ScoreError(f"{path}: which seven of the columns {names} are probabilities? Name them as the emotions")
    return table.loc[:, chosen] if sum(chosen) == len(EMOTIONS) else None


def _wrong_names(names, emotions):
    """Yield what is wrong with the columns' names. emotions: what each name means, "" for no emotion."""
    for emotion in EMOTIONS:
        if (emotions == emotion).sum() > 1:
            yield f"the columns {_quoted(names[emotions == emotion])} each mean {emotion}"
    missing = [emotion for emotion in EMOTIONS if emotion not in emotions]
    if missing:
        unknown = [name for name in names[emotions == ""] if _plain(name) not in ANSWER_NAMES]
        yield from (f"column {name!r} is none of the seven emotions" for name in unknown)
        yield from (f"{emotion!r} is missing" for emotion in missing)


def sorted_columns(values, names):
    """Return columns (n, 7), given in the order of `names`, in the order of EMOTIONS."""
    return values[:, [list(names).index(emotion) for emotion in EMOTIONS]]


def _checked(path, columns, notes):
    """Return probabilities, float64 (n, 7), whose rows sum to 1. Raises ScoreError if the cells are anything else."""
    numbers = columns.apply(pd.to_numeric, errors="coerce")
    finite = np.isfinite(numbers.to_numpy(dtype=float))
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ScoreError(
            f"{path}: line {columns.index[row]}: column {columns.columns[column]!r} has {columns.iloc[row, column]!r}, "
            "which is no number. Give seven probabilities per line, with points for decimals"
        )
    low, sums = numbers.min(axis=1), numbers.sum(axis=1)
    check_lines(path, low, low < 0, lambda _: "a probability is below 0, so these may be logits. Give their softmax")
    if np.allclose(sums, 100, atol=100 * SUM_TOLERANCE):
        notes.append("The probabilities are percentages.")
    else:
        wrong = ~np.isclose(sums, 1, atol=SUM_TOLERANCE)
        check_lines(path, sums, wrong, lambda own: f"the probabilities sum to {own:.4g}, not to 1. Give the softmax")
    return numbers.div(sums, axis=0).to_numpy(dtype=float)


def _labels(path, table, labels, notes):
    """Return one label per image, as codes in the order of EMOTIONS, int64 (n,)."""
    known = np.array([_plain(name) in ANSWER_NAMES for name in table], bool)
    predicting = np.array(["pred" in _plain(name) for name in table], bool)
    if not (known & predicting).any():  # a column label next to predicted_label may be the truth
        known |= predicting
    if known.sum() > 1:
        raise ScoreError(
            f"{path}: which of the columns {', '.join(table.columns[known])} has the predictions? Keep that one"
        )
    if not known.any() and table.shape[1] != 1:
        raise ScoreError(
            f"{path}: needs seven columns of probabilities, or one called label; it has {', '.join(table) or 'none'}"
        )
    cells = table.iloc[:, int(np.argmax(known))]
    codes, fix = pd.to_numeric(cells, errors="coerce"), f"Give one of {', '.join(EMOTIONS)}"
    check_lines(path, cells, cells == "", lambda cell: f"has no prediction. {fix}")
    if codes.notna().mean() > 0.5:
        wrong = ~codes.isin(range(len(EMOTIONS)))
        check_lines(path, cells, wrong, lambda cell: f"{cell} is no code from 0 to {len(EMOTIONS) - 1}. {fix}")
        return order_of(path, np.eye(len(EMOTIONS))[codes.astype(int)], labels, notes).argmax(axis=1)
    names = cells.map(emotion_of)
    check_lines(path, cells, names.isna(), lambda cell: f"{cell!r} is none of the seven emotions. {fix}")
    return names.map(EMOTIONS.index).to_numpy(dtype=np.int64)


def order_of(path, values, labels, notes, fix="Name the seven columns, or give the emotions' names"):
    """Return seven unnamed columns (n, 7) in the order of EMOTIONS, by the one of ``ORDERS`` that fits the labels.

    labels: int64 (n,), -1 where unknown. The chosen order agrees with far more labels than the other. Both orders may
    give the same predictions, for example if all are happy (code 3 in both). ScoreError names the `fix` if the orders
    differ only by chance, or if some third order agrees with far more labels. A third order is never taken: of 5,040,
    the best one would flatter the predictions. A network that gives nearly one answer can be refused for this, too.
    """
    ordered = {name: sorted_columns(values, order) for name, order in ORDERS.items()}
    predicted = {name: columns.argmax(axis=1) for name, columns in ordered.items()}
    known = labels >= 0
    correct = {name: int((codes == labels)[known].sum()) for name, codes in predicted.items()}
    best, other = sorted(correct, key=correct.get, reverse=True)
    differing = int((predicted[best] != predicted[other])[known].sum())
    if differing and correct[best] - correct[other] < CLEAR * np.sqrt(differing):
        raise ScoreError(
            f"{path}: the order of the labels is unclear: {correct[best]:,} predictions are right in {best} order, "
            f"{correct[other]:,} in {other} order. {fix}"
        )
    counts = pd.crosstab(predicted[best][known], labels[known]).reindex(range(7), columns=range(7), fill_value=0)
    third = linear_sum_assignment(counts, maximize=True)[1]  # the emotion that fits best for each of ours
    moved = int((third[predicted[best]] != predicted[best])[known].sum())
    fitting = int((third[predicted[best]] == labels)[known].sum())
    several = len(np.unique(predicted[best][known])) > 1  # one answer to all says nothing of the order
    if several and fitting - correct[best] > CLEAR * np.sqrt(moved):
        raise ScoreError(
            f"{path}: the labels seem to be in neither order: {correct[best]:,} predictions are right in {best} order, "
            f"and {fitting:,} would be in another order. {fix}"
        )
    if differing:
        notes.append(
            f"The labels are in {best} order ({', '.join(ORDERS[best])}): {correct[best]:,} predictions are right in "
            f"it, {correct[other]:,} in {other} order."
        )
    return ordered[best]


def probabilities_of(values, notes):
    """Return outputs (n, 7) as probabilities: their softmax, unless all are at least 0 and each row sums to 1."""
    values = np.asarray(values, float)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=SUM_TOLERANCE):
        return values / values.sum(axis=1, keepdims=True)
    notes.append("The network returns logits: their softmax is scored.")
    return special.softmax(values, axis=1)
