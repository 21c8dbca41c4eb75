"""The optimizer and learning-rate schedule of a recipe."""

import keras


def make_optimizer(recipe, steps_per_epoch):
    """Return the Keras optimizer of a ``recipes.Recipe``, with its schedule, weight decay and average of the weights.

    steps_per_epoch: batches in an epoch, for the length of a cosine. Batch norm and biases have no weight decay.
    """
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = round(recipe.warmup * steps_per_epoch)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    shared = {"weight_decay": recipe.weight_decay or None, "use_ema": bool(recipe.average)}
    if recipe.average:
        shared["ema_momentum"] = recipe.average
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **shared)
    else:
        optimizer = keras.optimizers.Adam(rate, **shared)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def separate(optimizer):
    """Copy an optimizer's variables, so that it can be used in another `fit`; call it after each but the last.

    At its end, `fit` assigns the averages of the weights to the weights. JAX then keeps both in one buffer, which the
    next step of another model may not use twice.
    """
    for variable in optimizer.variables:
        variable.assign(keras.ops.copy(variable))
