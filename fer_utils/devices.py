"""Several devices of one machine for one training: each batch is shared among them, and each holds the whole network.

    devices.share_batches(DEVICES, BATCH_SIZE)    before the model is built; 1 changes nothing

A batch stays what it was: batch norm sees all of its images, the loss is their mean, one update follows. So the number
of devices is no hyperparameter, and the curve is that of one device but for rounding. Under JAX that is Keras'
`DataParallel`, random numbers and all; under TensorFlow its `MirroredStrategy`, where each device draws its own
augmentation and dropout for its part.
"""

import keras

_sharing = {"devices": 1}  # TensorFlow forgets its strategy in other threads, where batches are dealt


class DeviceError(ValueError):
    """A number of devices that there are not, or that a batch cannot be shared among; the message says what can be."""


def available():
    """The devices that batches could be shared among, as the backend names them: its GPUs, or else its CPUs.

    A machine has one CPU, however many its cores; tests make several of it.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return [device.name for device in found]
    names = keras.distribution.list_devices()
    return [name for name in names if not name.lower().startswith("cpu")] or names


def share_batches(wanted, batch_size):
    """Share each batch of every model that is built from now on among the `wanted` number of devices, 0 for all.

    batch_size: images of a batch in training, which the devices get equal parts of; one that is smaller than the
    others, at an epoch's end, is allowed. Returns the number of devices. Raises DeviceError if there are fewer, if
    parts would be unequal, or if this process shares among another number already.
    """
    if wanted == count():
        return wanted
    found = available()
    wanted = wanted or len(found)
    if wanted == count():
        return wanted
    if count() > 1:
        raise DeviceError(
            f"DEVICES={wanted}: this process shares its batches among {count()} for good. Restart the kernel"
        )
    if wanted > len(found):
        raise DeviceError(
            f"DEVICES={wanted}: this machine has {len(found)} that {keras.backend.backend()} can use "
            f"({', '.join(found)}). Give at most {len(found)}, or 0 for all"
        )
    if batch_size % wanted:
        raise DeviceError(
            f"BATCH_SIZE={batch_size} cannot be shared equally among DEVICES={wanted}: give a multiple of {wanted}"
        )
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy(found[:wanted]))
    else:
        _allow_partial_batches(wanted)
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found[:wanted]))
    _sharing["devices"] = wanted
    return wanted


def count():
    """Among how many devices batches are shared; 1 for no sharing."""
    return _sharing["devices"]


def goes_round(images):
    """Whether a batch of so many images leaves no device without one.

    TensorFlow's strategy cuts parts of equal size until nothing is left, and a device that comes away empty-handed gets
    an empty batch, which convolutions cannot take. JAX computes a batch that cannot be parted equally on every device
    (``_allow_partial_batches``).
    """
    part = -(-images // count())
    return keras.backend.backend() != "tensorflow" or part * (count() - 1) < images


def answering_batch(images, largest=256):
    """Into how large batches to part a number of images that are only answered: `largest`, where they can be shared.

    Under TensorFlow the first has to have equal parts, and the last an image for each device.
    """
    if keras.backend.backend() != "tensorflow" or count() == 1:
        return largest
    sizes = range(min(images, largest) // count() * count(), 0, -count())
    return next((size for size in sizes if images % size == 0 or goes_round(images % size)), largest)


def synchronized():
    """Whether batch norm has to ask the other devices for their images: TensorFlow, batches shared among several.

    JAX needs no word for it: there, the mean of a batch is the mean of all of it, wherever its parts lie.
    """
    return keras.backend.backend() == "tensorflow" and count() > 1


def _allow_partial_batches(parts):
    """Let a batch that cannot be parted equally, which JAX refuses, be computed whole by each device (Keras 3.15)."""
    import jax
    from keras.src.backend.jax import distribution_lib

    part = distribution_lib.distribute_data_input

    def part_or_copy(batch, layout, batch_dim_name):
        layout = getattr(layout, "backend_layout", layout)
        if batch.shape and batch.shape[0] % parts:
            layout = jax.sharding.NamedSharding(layout.mesh, jax.sharding.PartitionSpec())
        return part(batch, layout, batch_dim_name)

    distribution_lib.distribute_data_input = part_or_copy
