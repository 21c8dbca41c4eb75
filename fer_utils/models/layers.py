"""The backbones' versions of two Keras layers, which TensorFlow computes faster on CPUs (docs/speed.md)."""

import keras


@keras.saving.register_keras_serializable(package="fer_utils")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch norm of float images (n, height, width, channels), trained by one fused TensorFlow operation.

    Keras 3 uses a dozen operations that each pass over the whole image, some in float32 even in a bfloat16 network. On
    a CPU they took a third of the deep CNN's step. JAX's compiler fuses them itself. One difference: the running
    variance is unbiased, n / (n - 1) times Keras', where n is the number of values of a channel in a batch.
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
    """Keras' convolution, which computes the gradient of some 3x3 kernels as matrix products.

    In bfloat16 on a CPU, TensorFlow's own gradient takes several times as long for small images with many channels
    (docs/speed.md). Outputs equal Keras', up to rounding.
    """

    # The limits within which matrix products were faster, measured on two processors, one of them with AMX.
    MOST_PIXELS = 6  # per side
    LEAST_CHANNELS = 128  # of the input

    def convolution_op(self, inputs, kernel):
        if self._takes_products(inputs):
            return _with_products(inputs, kernel)
        return super().convolution_op(inputs, kernel)

    def _takes_products(self, inputs):
        """Whether inputs (n, height, width, channels) are small with many channels, in bfloat16 on a CPU."""
        *sides, channels = inputs.shape[1:]
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "bfloat16" or None in sides:
            return False
        kind = (self.kernel_size, self.strides, self.dilation_rate, self.padding, self.groups, self.data_format)
        plain = kind == ((3, 3), (1, 1), (1, 1), "same", 1, "channels_last")
        return plain and max(sides) <= self.MOST_PIXELS and channels >= self.LEAST_CHANNELS and not _has_gpu()


def _has_gpu():
    return bool(keras.distribution.list_devices("gpu"))


def _with_products(images, kernel):
    """Convolve images (n, height, width, channels) with a kernel (3, 3, channels, filters), stride 1."""
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(images, kernel):
        def gradients(upstream):
            image_gradient = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), 1, "SAME")
            return image_gradient, kernel_gradient(images, upstream, kernel.shape)

        return tf.nn.conv2d(images, kernel, 1, "SAME"), gradients

    return convolve(images, tf.convert_to_tensor(kernel))  # tf.custom_gradient takes tensors, not variables


def kernel_gradient(images, upstream, shape):
    """Gradient of a kernel of `shape` (3, 3, channels, filters), under TensorFlow.

    images: the convolution's inputs (n, height, width, channels). upstream: the gradient of its outputs (n, height,
    width, filters). A weight's gradient is the sum, over all positions, of its input times the upstream gradient. Each
    row of the kernel is one matrix product, since its three weights see the same image rows, shifted by one pixel.
    """
    import tensorflow as tf

    channels, filters = shape[2:]
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    shifted = tf.concat([padded[:, :, left : left + width] for left in range(3)], axis=-1)
    outputs = tf.reshape(upstream, (-1, filters))
    rows = []
    for top in range(3):
        inputs = tf.reshape(shifted[:, top : top + height], (-1, 3 * channels))
        rows.append(tf.matmul(inputs, outputs, transpose_a=True))
    return tf.reshape(tf.stack(rows), shape)
