import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from fer_utils import workflow_diagram

matplotlib.use("Agg")

# What `snakemake --dag dot` prints (version 9.27), shortened; a finished job has a dashed border.
DOT = """Building DAG of jobs...
digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
    node[shape=box, style=rounded, fontname=sans,                 fontsize=10, penwidth=2];
    edge[penwidth=2, color=grey];
\t0[label = "all", color = "0.00 0.6 0.85", style="rounded"];
\t1[label = "compare_strategies", color = "0.10 0.6 0.85", style="rounded"];
\t2[label = "train_from_scratch\\nseed: 0", color = "0.48 0.6 0.85", style="rounded"];
\t3[label = "transfer_learning\\nseed: 0", color = "0.57 0.6 0.85", style="rounded"];
\t4[label = "pretrain_backbone", color = "0.38 0.6 0.85", style="rounded,dashed"];
\t1 -> 0
\t2 -> 0
\t3 -> 0
\t2 -> 1
\t3 -> 1
\t4 -> 3
}
"""
EDGES = [("1", "0"), ("2", "0"), ("3", "0"), ("2", "1"), ("3", "1"), ("4", "3")]


@pytest.fixture
def ax():
    return Figure(figsize=(8, 4)).add_subplot()


def boxes(ax):
    """text -> centre of its box"""
    return {text.get_text(): text.get_position() for text in ax.texts}


def test_snakemakes_graph_is_read():
    nodes, edges = workflow_diagram.parse_dot(DOT)
    assert nodes == {
        "0": "all",
        "1": "compare_strategies",
        "2": "train_from_scratch\nseed: 0",
        "3": "transfer_learning\nseed: 0",
        "4": "pretrain_backbone",
    }
    assert edges == EDGES


def test_nodes_named_in_edges_only_and_quotes_are_read():
    nodes, edges = workflow_diagram.parse_dot('digraph g {\n"a b" -> c;\nd[label="say \\"hi\\" -> now"]\n}')
    assert edges == [("a b", "c")]
    assert nodes == {"d": 'say "hi" -> now', "a b": "a b", "c": "c"}


@pytest.mark.parametrize(("text", "message"), [("Error: no rule", "digraph"), ("digraph g {\n}", "empty")])
def test_text_without_a_graph_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        workflow_diagram.parse_dot(text)


def test_columns_run_left_to_right_and_implied_edges_are_left_out(ax):
    nodes, edges = workflow_diagram.parse_dot(DOT)
    before = dict(matplotlib.rcParams), workflow_diagram.plt.get_fignums()
    assert workflow_diagram.workflow(edges, nodes, ax=ax, title="The study") is ax
    assert (dict(matplotlib.rcParams), workflow_diagram.plt.get_fignums()) == before
    place = boxes(ax)
    assert set(place) == {text.replace("_", " ") for text in nodes.values()}
    for source, target in edges:
        assert place[nodes[source].replace("_", " ")][0] < place[nodes[target].replace("_", " ")][0]
    # Both arms stand in one column, though only one of them needs the pretrained backbone.
    assert place["train from scratch\nseed: 0"][0] == place["transfer learning\nseed: 0"][0]
    assert sum(isinstance(patch, FancyBboxPatch) for patch in ax.patches) == 5
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == 4  # 2 -> 0 and 3 -> 0 are implied
    assert ax.get_title() == "The study"


def test_boxes_do_not_overlap_and_lie_inside(ax):
    nodes, edges = workflow_diagram.parse_dot(DOT)
    workflow_diagram.workflow(edges, nodes, ax=ax)
    extents = [patch.get_extents() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    for index, box in enumerate(extents):
        assert not any(box.overlaps(other) for other in extents[index + 1 :])
        assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
        assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1


def test_jobs_of_one_rule_share_a_colour(ax):
    labels = {1: "train\nvgg16", 2: "train\nresnet50", 3: "compare"}
    workflow_diagram.workflow([(1, 3), (2, 3)], labels, ax=ax)
    first, second, third = [patch.get_facecolor() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert first == second != third


def test_long_edges_run_between_boxes(ax):
    # a -> d spans two columns; nothing implies it, since b and c start on their own.
    workflow_diagram.workflow([("a", "b"), ("b", "c"), ("c", "d"), ("a", "x"), ("x", "d")], ax=ax)
    place = boxes(ax)
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 5
    assert place["x"][0] == place["c"][0]  # as far right as it may
    bent = max(arrows, key=lambda arrow: len(arrow.get_path().vertices))  # a -> x, past b
    heights = {round(float(y), 6) for _, y in bent.get_path().vertices}
    assert place["b"][1] not in heights


def test_crossings_are_undone(ax):
    workflow_diagram.workflow([("a", "y"), ("b", "x"), ("x", "end"), ("y", "end")], {n: n for n in "abxy"}, ax=ax)
    place = boxes(ax)
    assert (place["a"][1] > place["b"][1]) == (place["y"][1] > place["x"][1])


def test_a_lone_node_is_drawn_and_names_serve_as_labels():
    ax = workflow_diagram.workflow([], {"only_one": "only_one"})
    assert list(boxes(ax)) == ["only one"]
    assert ax.figure.number in workflow_diagram.plt.get_fignums()
    workflow_diagram.plt.close(ax.figure)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "no node"),
        ([("a", "b"), ("b", "c"), ("c", "a")], "cycle"),
        ([("a", "a")], "cycle"),
        ([("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")], "cycle"),
    ],
)
def test_what_cannot_be_drawn_is_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        workflow_diagram.workflow(edges)
