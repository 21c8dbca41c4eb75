"""The report as a page of its own: one HTML file, no script, nothing fetched (``score``)."""

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
    """HTML of a ``measures.report``."""
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
    """The result in words, as it may be quoted."""
    own, without = report["accuracy"], report["twins"]["without twins"]
    return (
        f"{percent(own)} of {own['n']:,} faces ({interval(own)}, 95 %), macro-F1 {100 * report['macro_f1']:.1f} %. "
        f"Without those that Training holds a duplicate of: {percent(without)} of {without['n']:,.0f} "
        f"({interval(without)})."
    )


def warning(report) -> str:
    """What is said where more labels were met than a face can show."""
    own, most = report["unseen_labels"], report["unseen_labels"]["most_of_ours"]
    return (
        f"Warning: of the {own['n']:,} faces whose label none of ten voters saw, and which Training does not hold, "
        f"{percent(own)} are named as labelled ({interval(own)}). Our best there, {most['run']}, has {percent(most)}. "
        "So much cannot be read from the faces. Was the model trained on these images, or chosen by them?"
    )


def sections(report):
    """(heading, one sentence, rows) of each table; the first row is its header."""
    counted = ["accuracy, %", "95 %", "n"]
    yield (
        "By emotion",
        "Recall: of the faces with this label, the share that was named so. Precision: of those named so, the share "
        "that has it.",
        [
            ["emotion", "recall, %", "95 %", "faces", "precision, %"],
            *(
                [name, *cells(row), "none named" if row["precision"] is None else f"{100 * row['precision']:.1f}"]
                for name, row in report["by_emotion"].items()
            ),
        ],
    )
    gap = report["memory_gap"]
    yield (
        "Memory",
        f"Faces that Training holds a duplicate of are named rightly {100 * gap['gap']:.1f} points more often than "
        f"others of the same emotion ({interval(gap)}). Part of that is memory, and part that they are easier.",
        [["faces", *counted], *([name, *cells(row)] for name, row in report["twins"].items())],
    )
    yield (
        "By agreement of FER+'s ten voters",
        "The share of votes for the most-voted answer, whichever it is.",
        [["agreement", *counted], *([row["bin"], *cells(row)] for row in report["by_agreement"])],
    )
    yield (
        "Under FER+'s labels",
        "Plurality: the answer with the most votes. Majority: more than half, without single votes.",
        [
            ["labels", *counted],
            *(
                [f"{name} ({rule})", *cells(row)]
                for rule, rows in report["ferplus"].items()
                for name, row in rows.items()
            ),
        ],
    )
    if report["calibration"]:
        own = report["calibration"]
        yield (
            "Calibration",
            "Whether a stated probability is a share of right answers.",
            [
                ["measure", "value"],
                ["mean confidence, %", f"{100 * own['mean_confidence']:.1f}"],
                ["expected calibration error, points", f"{100 * own['expected_calibration_error']:.1f}"],
                ["log loss, nats", f"{own['log_loss']:.3f}"],
            ],
        )
    if report["compared"]:
        yield (
            "Against this study's runs, face by face",
            "Points by which these answers are more often right; p by McNemar's test, corrected for all rows (Holm). "
            "It speaks of these networks on these faces: other seeds differ too.",
            [
                ["run", "its accuracy, %", "difference", "95 %", "p, corrected", "differ"],
                *(
                    [
                        row["run"],
                        f"{100 * row['accuracy']:.1f}",
                        f"{100 * row['difference']:+.1f}",
                        interval(row),
                        f"{row['p_holm']:.2g}",
                        "yes" if row["differ"] else "not told apart",
                    ]
                    for row in report["compared"]
                ),
            ],
        )


def table(rows) -> str:
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    head, body = line(rows[0], "th"), "".join(line(row, "td") for row in rows[1:])
    return f'<div class="table"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def percent(row) -> str:
    return f"{summary.percent(row['accuracy'])} %"


def interval(row) -> str:
    return summary.interval_text(row["low"], row["high"])


def cells(row):
    """Accuracy, interval and n of a row; what has no face has no accuracy."""
    return [summary.percent(row["accuracy"]), interval(row), f"{row['n']:,}"]
