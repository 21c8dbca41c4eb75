"""Show the report as one HTML file without scripts, which fetches nothing (``score``)."""

from html import escape

from fer_utils.comparison import summary

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
div.table { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8886; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.warning { border-left: .3rem solid #c60; padding: .5rem 1rem; background: #c601; }
"""


def page(report) -> str:
    """Return a ``measures.report`` as HTML."""
    title = f"{report['source']}: {percent(report['accuracy'])} of {report['images']}"
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(sentence(report))}</p>"]
    parts += [f"<p>{escape(note)}</p>" for note in report["notes"]]
    if report["unseen_labels"]["suspicious"]:
        parts.append(f'<p class="warning">{escape(warning(report))}</p>')
    parts += [f"<h2>{escape(name)}</h2><p>{escape(text)}</p>{table(rows)}" for name, text, rows in sections(report)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    head = f"<head>{head}<style>{STYLE}</style></head>"
    return f'<!doctype html><html lang="en">{head}<body>{"".join(parts)}</body></html>\n'


def sentence(report) -> str:
    """Return the result as sentences that may be quoted."""
    own, without = report["accuracy"], report["twins"]["without twins"]
    return (
        f"{percent(own)} of {own['n']:,} faces ({interval(own)}, 95 %), macro-F1 {100 * report['macro_f1']:.1f} %. "
        f"Without the faces that have a duplicate in Training: {percent(without)} of {without['n']:,.0f} "
        f"({interval(without)})."
    )


def warning(report) -> str:
    """Return the warning about more correct labels than the faces can show."""
    own, most = report["unseen_labels"], report["unseen_labels"]["most_of_ours"]
    return (
        f"Warning: on {own['n']:,} faces, none of ten voters chose the label, and Training has no duplicate. The model "
        f"predicts the label on {percent(own)} of them ({interval(own)}), and our best run, {most['run']}, on "
        f"{percent(most)}. Faces alone do not show so many labels. "
        "Was the model trained on these images, or chosen by them?"
    )


def sections(report):
    """Yield (heading, explanation, rows) of each table; the first row is its header."""
    counted = ["accuracy, %", "95 %", "n"]
    rows = [["emotion", "recall, %", "95 %", "faces", "precision, %"]]
    for name, row in report["by_emotion"].items():
        precision = "none named" if row["precision"] is None else f"{100 * row['precision']:.1f}"
        rows.append([name, *cells(row), precision])
    text = (
        "Recall: of the faces with this label, the share that is predicted right. Precision: of the predictions of "
        "this label, the share that is right."
    )
    yield "By emotion", text, rows

    gap = report["memory_gap"]
    text = (
        f"The model is right {100 * gap['gap']:.1f} percentage points more often on faces with a duplicate in Training "
        f"than on others of the same emotion ({interval(gap)}). Part of that is memory; part is that they are easier."
    )
    yield "Memory", text, [["faces", *counted], *([name, *cells(row)] for name, row in report["twins"].items())]

    rows = [["agreement", *counted], *([row["bin"], *cells(row)] for row in report["by_agreement"])]
    yield "By agreement of FER+'s ten voters", "The share of votes for the most-voted class, whichever it is.", rows

    rows = [["labels", *counted]]
    for rule, own in report["ferplus"].items():
        rows += [[f"{name} ({rule})", *cells(row)] for name, row in own.items()]
    text = "Plurality: the class with the most votes. Majority: more than half, once single votes are dropped."
    yield "Under FER+'s labels", text, rows

    if own := report["calibration"]:
        rows = [["measure", "value"], ["mean confidence, %", f"{100 * own['mean_confidence']:.1f}"]]
        rows.append(["expected calibration error, points", f"{100 * own['expected_calibration_error']:.1f}"])
        rows.append(["log loss, nats", f"{own['log_loss']:.3f}"])
        yield "Calibration", "Whether the probabilities equal the shares of right predictions.", rows

    if report["compared"]:
        rows = [["run", "its accuracy, %", "difference", "95 %", "p, corrected", "differ"]]
        for row in report["compared"]:
            numbers = [f"{100 * row['accuracy']:.1f}", f"{100 * row['difference']:+.1f}", interval(row)]
            verdict = "yes" if row["differ"] else "not told apart"
            rows.append([row["run"], *numbers, f"{row['p_holm']:.2g}", verdict])
        text = (
            "Difference: percentage points by which these predictions are more often right. p: McNemar's test, "
            "corrected for all rows (Holm). It describes these networks on these faces: other seeds differ, too."
        )
        yield "Against this study's runs, face by face", text, rows


def table(rows) -> str:
    """Return rows of cells, of which the first is the header, as an HTML table."""

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    head, body = line(rows[0], "th"), "".join(line(row, "td") for row in rows[1:])
    return f'<div class="table"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def percent(row) -> str:
    """Return the accuracy of a row as "69.7 %"."""
    return f"{summary.percent(row['accuracy'])} %"


def interval(row) -> str:
    """Return the interval of a row in percent, as "68.2 to 71.2"."""
    return summary.interval_text(row["low"], row["high"])


def cells(row):
    """Return accuracy, interval and n of a row as texts; without faces, accuracy and interval are missing."""
    return [summary.percent(row["accuracy"]), interval(row), f"{row['n']:,}"]
