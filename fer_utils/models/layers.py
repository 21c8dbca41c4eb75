"""Keras' layers, computed in less time by TensorFlow on CPUs (the backbones are made of them; docs/speed.md)."""

import keras


@keras.saving.register_keras_serializable(package="fer_utils")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch norm of float images (n, height, width, channels), trained by TensorFlow's one fused operation.

    Keras 3 composes it of a dozen that each pass over the whole image, some in float32 where the rest is in bfloat16;
    on a CPU they took a third of the deep CNN's step. JAX's compiler fuses them itself. One difference: the running
    variance is the unbiased one, n / (n - 1) times Keras', with n the values of a channel in a batch.
    """

    def call(self, inputs, training=None, mask=None):
        fused = training and self.trainable and keras.backend.backend() == "tensorflow"
        if not fused:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        gamma, beta = (tf.cast(variable, "float32") for variable in (self.gamma, self.beta))
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(inputs, gamma, beta, epsilon=self.epsilon)
        for running, latest in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running * self.momentum + latest * (1.0 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable(package="fer_utils")
class Conv2D(keras.layers.Conv2D):
    """Keras' convolution, with another way to the gradient of a 3x3 kernel: products of matrices.

    In bfloat16 on a CPU, with many channels on few places, TensorFlow's own takes several times as long
    (docs/speed.md). Answers are Keras' own, to rounding.
    """

    # Where products are taken: measured on two processors, one with AMX.
    MOST_PIXELS = 6  # a side
    LEAST_CHANNELS = 128  # that come in

    def convolution_op(self, inputs, kernel):
        if self._takes_products(inputs):
            return _with_products(inputs, kernel)
        return super().convolution_op(inputs, kernel)

    def _takes_products(self, inputs):
        """Whether inputs (n, height, width, channels) are few places with many channels, in bfloat16 on a CPU."""
        *sides, channels = inputs.shape[1:]
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "bfloat16" or None in sides:
            return False
        kind = (self.kernel_size, self.strides, self.dilation_rate, self.padding, self.groups, self.data_format)
        plain = kind == ((3, 3), (1, 1), (1, 1), "same", 1, "channels_last")
        few_places = max(sides) <= self.MOST_PIXELS and channels >= self.LEAST_CHANNELS
        return plain and few_places and not _has_gpu()


def _has_gpu():
    return bool(keras.distribution.list_devices("gpu"))


def _with_products(images, kernel):
    """The convolution of images (n, height, width, channels) with a kernel (3, 3, channels, filters), stride 1."""
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(images, kernel):
        def gradients(upstream):
            of_images = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), 1, "SAME")
            return of_images, kernel_gradient(images, upstream, kernel.shape)

        return tf.nn.conv2d(images, kernel, 1, "SAME"), gradients

    return convolve(images, tf.convert_to_tensor(kernel))  # a variable has no place in what has a gradient of its own


def kernel_gradient(images, upstream, shape):
    """Gradient of a kernel of `shape` (3, 3, channels, filters), under TensorFlow.

    images: what it saw, (n, height, width, channels). upstream: the gradient of what came out, (n, height, width,
    filters). Each weight gets the sum of what lay under it times what came back, over all places. A row of the kernel
    is one product, since its three weights see the same rows of the images, moved by a pixel.
    """
    import tensorflow as tf

    *_, channels, filters = shape
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    moved = tf.concat([padded[:, :, left : left + width] for left in range(3)], axis=-1)
    places = tf.reshape(upstream, (-1, filters))
    under = [tf.reshape(moved[:, top : top + height], (-1, 3 * channels)) for top in range(3)]
    rows = [tf.matmul(row, places, transpose_a=True) for row in under]
    return tf.reshape(tf.stack(rows), shape)
