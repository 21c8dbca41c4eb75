"""Does a map show what the network has learned? It must not outlive the network's weights (notebook 11).

Adebayo et al. 2018 (arXiv:1810.03292): make the weights random layer by layer from the top, and compare the maps. A map
that stays as it was shows the picture, as an edge detector would, and not the network.
"""

import keras
import numpy as np
from scipy import stats

from fer_utils.models.answering import for_answers
from fer_utils.plotting.networks import flat_layers
from fer_utils.recognize import extras


def cascade(model, seed=0):
    """Yield (name of the layer, network) with one more layer random each time, from the top down.

    model: of ``models.build_classifier`` or ``load_network``; it stays as it is. The first is ("none", a copy); each
    further one is the same copy, changed. "Random" is the layer's own weights in another order: none of what was
    learned is left, and the numbers are as large as before. Batch norm goes with the convolution before it.
    """
    copy, rng = for_answers(model), np.random.default_rng(seed)
    yield "none", copy
    for layer in reversed(flat_layers(copy)):
        if weights := layer.get_weights():
            layer.set_weights([rng.permutation(weight.ravel()).reshape(weight.shape) for weight in weights])
            if not isinstance(layer, keras.layers.BatchNormalization):
                yield layer.name, copy


def rank_correlation(first, second):
    """Spearman's correlation of each face's two maps over the pixels: float64 (n,), -1 to 1; 0 where one is flat."""
    ranks = [stats.rankdata(np.reshape(maps, (len(maps), -1)), axis=1) for maps in (first, second)]
    ranks = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    spread = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return (ranks[0] * ranks[1]).sum(axis=1) / np.where(spread > 0, spread, 1)


def structural_similarity(first, second):
    """SSIM of each face's two maps, each scaled to a largest value of 1: float64 (n,), at most 1 (Wang et al. 2004)."""
    metrics = extras.load("skimage.metrics", "structural similarity")
    how = {"data_range": 1, "gaussian_weights": True, "use_sample_covariance": False}  # as in that article
    pairs = zip(_to_one(np.asarray(first, float)), _to_one(np.asarray(second, float)), strict=True)
    return np.array([metrics.structural_similarity(one, other, **how) for one, other in pairs])


def _to_one(maps):
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True)
    return maps / np.where(largest > 0, largest, 1)
