"""Maps of what a prediction depends on: Grad-CAM looks inside the network, occlusion does not.

    maps = grad_cam(model, faces)  # uint8 (n, 48, 48) in, float32 (n, 48, 48) out
    maps = occlusion(model, faces)

Both explain one emotion for each face, by default the predicted one. They do not explain why another emotion was not
predicted. A map shows where, never why. ``sanity`` and ``scoring`` test whether it shows even that.
"""

import keras
import numpy as np

from fer_utils.models import tta
from fer_utils.models.heads import backbone_of
from fer_utils.names import EMOTIONS, SIDE, did_you_mean
from fer_utils.recognize.grid import enlarging, grid_of, stages

BATCH = 64
FACES_AT_ONCE = 16  # with all their patches: few calls of the network, and at most 85 MB


def grad_cam(model, faces, emotion=None, layer=None):
    """Where features raise an emotion's score: float32 (n, 48, 48), 0 or more, without a unit (Selvaraju et al. 2017).

    Each channel of a layer is weighted with the mean gradient of the emotion's score over its cells; negative sums
    become 0 (arXiv:1610.02391, equations 1 and 2). The score is taken before the softmax, whose gradient vanishes where
    a network is sure. Between the centres of the receptive fields, values are interpolated bilinearly.

    model: from ``models.build_classifier`` or ``load_network``, on TensorFlow or JAX. faces: grey levels uint8
    (n, 48, 48). emotion: a name or code for all faces, or a code for each; None for the predicted ones. layer: name of
    a layer of the backbone; None for the last with positions (``stages`` lists layers from fine to coarse). Raises
    ValueError for wrong faces, an unknown emotion or an unknown layer.
    """
    faces = tta.as_faces(faces)
    layer = _checked_layer(model, layer)
    lower, upper, last = _split(model, layer)
    all_codes = None if emotion is None else as_codes(emotion, len(faces))
    maps = []
    for start in range(0, len(faces), BATCH):
        features = lower(faces[start : start + BATCH])
        codes = None if all_codes is None else all_codes[start : start + BATCH]
        gradients = _gradients(upper, last, codes, features)
        features, gradients = (keras.ops.convert_to_numpy(x).astype(np.float32) for x in (features, gradients))
        weights = gradients.mean(axis=(1, 2), keepdims=True)
        maps.append(np.maximum((weights * features).sum(axis=-1), 0))
    maps = np.concatenate(maps)
    matrix = enlarging(grid_of(model, layer), maps.shape[1])
    return matrix @ maps @ matrix.T


def occlusion(model, faces, emotion=None, patch=8, stride=4):
    """How much an emotion's probability falls when a patch is covered: float32 (n, 48, 48), -1 to 1.

    A patch of the face's own mean grey covers each place in turn, `stride` pixels apart. A pixel's value is the mean
    fall over the patches that cover it (Zeiler, Fergus 2014, arXiv:1311.2901, section 4.2). Below 0, covering raises
    the probability. This needs only the network's predictions, but (48 / stride)^2 of them for each face.

    model, faces, emotion: as in ``grad_cam``. Raises ValueError for a patch or stride that does not fit the face.
    """
    faces = tta.as_faces(faces)
    if not 1 <= patch <= SIDE or not 1 <= stride <= patch:
        raise ValueError(f"patch={patch}, stride={stride}: give 1 <= stride <= patch <= {SIDE}, to cover all pixels")
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
    """The mean of maps, each first scaled to the same sum, so that all faces count the same: float64 (48, 48).

    maps: (n, 48, 48), of which the part above 0 counts. A flat map has the value 1 everywhere; without maps it is 0.
    """
    mass = np.maximum(np.asarray(maps, float), 0)
    total = mass.sum(axis=(1, 2), keepdims=True)
    return (mass / np.where(total > 0, total, 1)).sum(axis=0) * (SIDE**2 / max(len(mass), 1))


def as_codes(emotion, n):
    """An emotion for each of n faces, as codes int64 (n,). emotion: one name, one code, or n codes."""
    if isinstance(emotion, str):
        if emotion not in EMOTIONS:
            raise ValueError(f"emotion={emotion!r} is unknown{did_you_mean(emotion, EMOTIONS)}")
        emotion = EMOTIONS.index(emotion)
    codes = np.broadcast_to(np.asarray(emotion), (n,)).astype(np.int64)
    if n and not 0 <= codes.min() <= codes.max() < len(EMOTIONS):
        raise ValueError(f"emotion={emotion!r}: give a name or codes from 0 to {len(EMOTIONS) - 1}, one for each face")
    return codes


def _checked_layer(model, layer):
    """The layer's name; by default that of the last layer with positions."""
    possible = list(stages(model))
    names = [one.name for one in backbone_of(model).layers]
    if layer is not None and layer not in names:
        raise ValueError(f"layer={layer!r} is not a layer of {backbone_of(model).name}{did_you_mean(layer, possible)}")
    return layer or possible[-1]


def _split(model, layer):
    """Split `model` after a layer of its backbone. Returns the lower part, the upper part and the last dense layer.

    The upper part returns the input of that dense layer. All weights are shared with `model`.
    """
    backbone, last = backbone_of(model), model.layers[-1]
    if not isinstance(last, keras.layers.Dense):
        raise ValueError(f"{model.name} ends in {last.name}, not in a dense layer with the emotions' scores")
    inputs, outputs = {}, {}  # of each layer, by its name

    def call(operation, *args, **kwargs):
        inputs[operation.name] = args[0]
        outputs[operation.name] = operation(*args, **kwargs)
        return outputs[operation.name]

    image = keras.models.clone_model(model, clone_function=lambda same: same, call_function=call).input
    inside = backbone.get_layer(layer).output
    lower = keras.Model(image, keras.Model(backbone.input, inside)(inputs[backbone.name]))
    head = keras.Model(outputs[backbone.name], inputs[last.name])
    if inside is backbone.output:
        return lower, head, last
    try:
        rest = keras.Model(inside, backbone.output)
    except ValueError:
        raise ValueError(f"layer={layer!r}: a shortcut bypasses it. Use one of {list(stages(model))}") from None
    return lower, lambda x: head(rest(x)), last


def _scores(inputs, last, codes):
    """Sum of the faces' scores before the softmax, for the emotions in `codes`, or for the predicted ones if None."""
    scores = keras.ops.matmul(keras.ops.cast(inputs, "float32"), last.kernel) + last.bias
    codes = keras.ops.argmax(scores, axis=1) if codes is None else codes
    return keras.ops.sum(scores * keras.ops.one_hot(codes, scores.shape[1]))


def _gradients(upper, last, codes, features):
    """The gradients of the faces' scores with respect to their `features`, on TensorFlow or JAX."""

    def score(features):
        return _scores(upper(features), last, codes)

    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(score)(features)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        value = score(features)
    return tape.gradient(value, features)
