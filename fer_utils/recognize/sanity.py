"""Test whether a map shows what the network has learned: random weights must change it.

Adebayo et al. 2018 (arXiv:1810.03292): randomise the weights layer by layer from the top, and compare the maps. A map
that does not change shows the picture, as an edge detector would, and not the network.
"""

import keras
import numpy as np
from scipy import stats

from fer_utils.models.answering import for_answers
from fer_utils.plotting.networks import flat_layers
from fer_utils.recognize import extras


def cascade(model, seed=0):
    """Randomise one more layer each time, from the top down. Yields (name of the layer, network).

    model: from ``models.build_classifier`` or ``load_network``; it is not changed. The first pair is ("none", a copy).
    Each further pair has the same copy, changed. A layer's weights are put into random order: what was learned is lost,
    and the weights keep their size. Batch norm is randomised together with the convolution before it.
    """
    copy, rng = for_answers(model), np.random.default_rng(seed)
    yield "none", copy
    for layer in reversed(flat_layers(copy)):
        weights = layer.get_weights()
        if weights:
            layer.set_weights([rng.permutation(weight.ravel()).reshape(weight.shape) for weight in weights])
            if not isinstance(layer, keras.layers.BatchNormalization):
                yield layer.name, copy


def rank_correlation(first, second):
    """Spearman's correlation of each face's two maps over the pixels: float64 (n,), -1 to 1; 0 if one map is flat."""
    ranks = [stats.rankdata(np.reshape(maps, (len(maps), -1)), axis=1) for maps in (first, second)]
    ranks = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    spread = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return (ranks[0] * ranks[1]).sum(axis=1) / np.where(spread > 0, spread, 1)


def structural_similarity(first, second):
    """SSIM of each face's two maps, each scaled to a largest value of 1: float64 (n,), at most 1 (Wang et al. 2004)."""
    metrics = extras.load("skimage.metrics", "structural similarity")
    options = {"data_range": 1, "gaussian_weights": True, "use_sample_covariance": False}  # as in the article
    pairs = zip(_scaled(np.asarray(first, float)), _scaled(np.asarray(second, float)), strict=True)
    return np.array([metrics.structural_similarity(one, other, **options) for one, other in pairs])


def _scaled(maps):
    """Divide each map by its largest absolute value, unless that is 0."""
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True)
    return maps / np.where(largest > 0, largest, 1)
