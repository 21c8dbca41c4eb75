"""What every function that draws keeps to, for the tests of each room's figures."""

import copy

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def check_it_draws_where_it_is_told(draw, panels):
    """On given axes, or with `panels` on a given figure with the title "t"; no other figure, no setting changed."""
    figure = Figure(layout="constrained")
    settings, open_figures = copy.deepcopy(dict(matplotlib.rcParams)), plt.get_fignums()
    if panels:
        axes = draw(figure)
        assert all(ax.figure is figure for ax in axes.flat) and figure.get_suptitle() == "t"
    else:
        ax = figure.add_subplot()
        assert draw(ax) is ax
    assert plt.get_fignums() == open_figures and dict(matplotlib.rcParams) == settings
    figure.canvas.draw()


def check_it_makes_one_figure(draw):
    """Where neither axes nor a figure are given."""
    before = len(plt.get_fignums())
    draw(None)
    assert len(plt.get_fignums()) == before + 1
