"""Maps of what an answer hangs on: Grad-CAM from a network's inside, occlusion from its outside (notebook 11).

    maps = grad_cam(model, faces)  # uint8 (n, 48, 48) in, float32 (n, 48, 48) out
    maps = occlusion(model, faces)

Both are about one emotion a face, by default the one that the network answers: why this, and not why not another. A map
says where, never why. Whether it says even that is tested in ``sanity`` and ``scoring``.
"""

import keras
import numpy as np

from fer_utils.models import tta
from fer_utils.models.heads import backbone_of
from fer_utils.names import EMOTIONS, SIDE, did_you_mean
from fer_utils.recognize.grid import enlarging, grid_of, stages

BATCH = 64
FACES_AT_ONCE = 16  # under all their patches: few calls of the network, and no more than 40 MB


def grad_cam(model, faces, emotion=None, layer=None):
    """Where features speak for an emotion: float32 (n, 48, 48), 0 or more, in no unit (Selvaraju et al. 2017).

    Each channel of a layer is weighted with the mean slope of the emotion's score over its cells, and the sum is cut at
    0 (arXiv:1610.02391, equations 1 and 2). The score is the one before the softmax, whose slope vanishes where a
    network is sure. The cells are laid over the face bilinearly, each where its receptive field is centred.

    model: one of ``models.build_classifier`` or ``load_network``, on TensorFlow or JAX. faces: grey levels uint8
    (n, 48, 48). emotion: a name or code for all faces, or a code for each; None for the answers. layer: the name of a
    layer of the backbone; None for the last that knows places (``stages`` lists those that differ in fineness). Raises
    ValueError for what is no face, no emotion or no such layer.
    """
    faces = tta.as_faces(faces)
    layer = _checked_layer(model, layer)
    lower, upper, last = _split(model, layer)
    wanted = None if emotion is None else as_codes(emotion, len(faces))
    maps = []
    for start in range(0, len(faces), BATCH):
        features = lower(faces[start : start + BATCH])
        codes = None if wanted is None else wanted[start : start + BATCH]
        slopes = _slopes(lambda x, codes=codes: _scores(upper(x), last, codes), features)
        features, slopes = (keras.ops.convert_to_numpy(x).astype(np.float32) for x in (features, slopes))
        weights = slopes.mean(axis=(1, 2), keepdims=True)
        maps.append(np.maximum((weights * features).sum(axis=-1), 0))
    maps = np.concatenate(maps)
    matrix = enlarging(grid_of(model, layer), maps.shape[1])
    return matrix @ maps @ matrix.T


def occlusion(model, faces, emotion=None, patch=8, stride=4):
    """How far an emotion's probability falls where a patch is covered: float32 (n, 48, 48), -1 to 1.

    A patch of the face's own mean grey lies on each place in turn, `stride` pixels apart; a pixel's value is the mean
    fall over the patches that cover it (Zeiler, Fergus 2014, arXiv:1311.2901, section 4.2). Below 0, covering helps the
    emotion. No look inside the network is needed, but (48 / stride)^2 answers a face.

    model, faces, emotion: as in ``grad_cam``. Raises ValueError for a patch or stride that does not fit the face.
    """
    faces = tta.as_faces(faces)
    if not 1 <= patch <= SIDE or not 1 <= stride <= patch:
        raise ValueError(
            f"patch={patch}, stride={stride}: give 1 <= stride <= patch <= {SIDE}, or pixels stay uncovered"
        )
    before = tta.predict(model, faces)
    codes = before.argmax(axis=1) if emotion is None else as_codes(emotion, len(faces))
    starts = sorted({*range(0, SIDE - patch, stride), SIDE - patch})
    places = [np.s_[..., row : row + patch, column : column + patch] for row in starts for column in starts]
    fall, covered = np.zeros(faces.shape, np.float32), np.zeros((SIDE, SIDE), np.float32)
    for start in range(0, len(faces), FACES_AT_ONCE):
        some = slice(start, start + FACES_AT_ONCE)
        changed = np.repeat(faces[None, some], len(places), axis=0)  # (places, faces, 48, 48)
        for copies, place in zip(changed, places, strict=True):
            copies[place] = faces[some].mean(axis=(1, 2), keepdims=True).round()
        after = tta.predict(model, changed.reshape(-1, SIDE, SIDE)).reshape(*changed.shape[:2], -1)
        lost = (before[some] - after)[:, np.arange(changed.shape[1]), codes[some]]
        for fallen, place in zip(lost, places, strict=True):
            fall[some][place] += fallen[:, None, None]
    for place in places:
        covered[place] += 1
    return fall / covered


def mean_map(maps):
    """The mean of maps, each of sum 1 before, so that every face counts alike: float64 (48, 48); 1 is a flat map.

    maps: (n, 48, 48), of which the part above 0 counts. Of no map, it is 0.
    """
    mass = np.maximum(np.asarray(maps, float), 0)
    total = mass.sum(axis=(1, 2), keepdims=True)
    return (mass / np.where(total > 0, total, 1)).sum(axis=0) * (SIDE**2 / max(len(mass), 1))


def as_codes(emotion, n):
    """An emotion for each of n faces, codes int64 (n,): from one name or code, or from n codes."""
    if isinstance(emotion, str):
        if emotion not in EMOTIONS:
            raise ValueError(f"emotion={emotion!r} is unknown{did_you_mean(emotion, EMOTIONS)}")
        emotion = EMOTIONS.index(emotion)
    codes = np.broadcast_to(np.asarray(emotion), (n,)).astype(np.int64)
    if n and not 0 <= codes.min() <= codes.max() < len(EMOTIONS):
        raise ValueError(f"emotion={emotion!r} must be a name, or codes from 0 to {len(EMOTIONS) - 1}, one a face")
    return codes


def _checked_layer(model, layer):
    """The layer's name; the default is the last that knows places."""
    possible = list(stages(model))
    names = [one.name for one in backbone_of(model).layers]
    if layer is not None and layer not in names:
        raise ValueError(f"layer={layer!r} is none of {backbone_of(model).name}'s{did_you_mean(layer, possible)}")
    return layer or possible[-1]


def _split(model, layer):
    """`model` cut in two behind a layer of its backbone: both parts, and the dense layer that ends in the softmax.

    The upper part ends in what that dense layer is given. All weights are shared with `model`.
    """
    backbone, last = backbone_of(model), model.layers[-1]
    if not isinstance(last, keras.layers.Dense):
        raise ValueError(f"{model.name} ends in {last.name}, not in a dense layer with the emotions' scores")
    given = {}

    def call(operation, *args, **kwargs):
        given[operation.name] = args[0], operation(*args, **kwargs)
        return given[operation.name][1]

    image = keras.models.clone_model(model, clone_function=lambda same: same, call_function=call).input
    to_backbone, features = given[backbone.name]
    inside = backbone.get_layer(layer).output
    lower = keras.Model(image, keras.Model(backbone.input, inside)(to_backbone))
    head = keras.Model(features, given[last.name][0])
    if inside is backbone.output:
        return lower, head, last
    try:
        rest = keras.Model(inside, backbone.output)
    except ValueError:  # a shortcut leads past it
        raise ValueError(
            f"layer={layer!r}: not all that is answered passes it. Possible: {list(stages(model))}"
        ) from None
    return lower, lambda x: head(rest(x)), last


def _scores(inputs, last, codes):
    """Sum over the faces of their emotion's score before the softmax; the answered one where `codes` is None."""
    scores = keras.ops.matmul(keras.ops.cast(inputs, "float32"), last.kernel) + last.bias
    codes = keras.ops.argmax(scores, axis=1) if codes is None else codes
    return keras.ops.sum(scores * keras.ops.one_hot(codes, scores.shape[1]))


def _slopes(function, features):
    """The slope of a function of `features`, a number each, on TensorFlow or JAX."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function)(features)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        value = function(features)
    return tape.gradient(value, features)
