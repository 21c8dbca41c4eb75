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
    """Keras' convolution; in bfloat16, the gradient of a 3x3 kernel is products of matrices where those are faster.

    That gradient takes half of the deep CNN's step on a CPU: with many channels on few places, TensorFlow's own is
    three to nine times slower than plain products. Answers are Keras' own, bit for bit.
    """

    CHANNELS_A_PIXEL = 12  # channels in for each pixel of a side, from which on products were faster

    def convolution_op(self, inputs, kernel):
        return (_with_products if self._gains(inputs) else super().convolution_op)(inputs, kernel)

    def _gains(self, inputs):
        """Whether inputs (n, height, width, channels) are few places with many channels, in bfloat16 on a CPU."""
        *sides, channels = inputs.shape[1:]
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "bfloat16" or None in sides:
            return False
        simple = (self.kernel_size, self.strides, self.dilation_rate, self.padding) == ((3, 3), (1, 1), (1, 1), "same")
        few = channels >= self.CHANNELS_A_PIXEL * max(sides)
        return simple and few and self.groups == 1 and not _has_gpu()


def _has_gpu():
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def _with_products(images, kernel):
    """The convolution of images (n, height, width, channels) with a kernel (3, 3, channels, filters), stride 1."""
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(images, kernel):
        def gradients(upstream):
            shape, one = tf.shape(images), [1, 1, 1, 1]
            of_images = tf.compat.v1.nn.conv2d_backprop_input(shape, kernel, upstream, one, "SAME")
            return of_images, _kernel_gradient(images, upstream)

        return tf.nn.conv2d(images, kernel, 1, "SAME"), gradients

    return convolve(images, tf.convert_to_tensor(kernel))  # a variable has no place in what has a gradient of its own


def _kernel_gradient(images, upstream):
    """Gradient (3, 3, channels, filters): for each weight, what lay under it times what came back, over all places.

    images: (n, height, width, channels). upstream: the gradient of what came out, (n, height, width, filters). A row of
    the kernel is one product, since its three weights see the same rows of the images, moved by a pixel.
    """
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    filters = upstream.shape[-1]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    moved = tf.concat([padded[:, :, left : left + width] for left in range(3)], axis=-1)
    places = tf.reshape(upstream, (-1, filters))
    under = [tf.reshape(moved[:, top : top + height], (-1, 3 * channels)) for top in range(3)]
    rows = [tf.matmul(row, places, transpose_a=True) for row in under]
    return tf.reshape(tf.stack(rows), (3, 3, channels, filters))
