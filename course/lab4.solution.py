# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 4 · Features of another task
#
# **90 minutes. A network has learned to tell people apart. Now it must predict emotions. Which of its features help, and how
# are they lost?**
#
# | | |
# |---|---|
# | You can do afterwards | freeze and unfreeze parts of a network, and check it; recognize useless features; compare three ways of training on few faces |
# | You need | lab 2 (a CNN in Keras, `fit`, the curve); standard deviations |
# | Belongs to | notebooks [02](../notebooks/02_pretrain_backbone.ipynb), [04](../notebooks/04_transfer_learning.ipynb) and [05](../notebooks/05_fine_tuning.ipynb) |
# | Words | [glossary](../docs/glossary.md) |
#
# Write code where it says `YOUR CODE HERE`. The line below it checks your code. Run the cells in order.

# %%
import keras
import numpy as np
import pandas as pd

from fer_utils import course, data, evaluation, models, plotting, sample, training

# %% tags=["parameters"]
DATA = "sample"  # "sample": drawn faces; at home the path of FER-2013's CSV, zip or folder
FACES = 600  # to learn emotions from: few, as in practice
PRETRAIN_EPOCHS = 6  # passes over the pictures of people
EPOCHS = 8  # passes over the faces, where a network is trained on them
SEED = 0  # seeds everything random

# %%
people, who = sample.draw_identities(n=2700, seed=1)
faces = data.load_fer2013(DATA)
train = faces.take(faces.usage == "Training").take(slice(FACES))
test = faces.take(faces.usage == "PrivateTest")
plotting.sample_grid(people[:14], titles=[f"person {number}" for number in who[:14]], columns=7)
print(f"{len(people):,} pictures of {who.max() + 1} people; {len(train):,} faces to train on, {len(test):,} to test")

# %% [markdown]
# ## 1. Predict first (5 minutes)
#
# The **source task** is shown above: which person is this? Hair, beard, glasses and skin change from picture to picture. A
# person can be recognized by the proportions of the face, and by a habitual position of brows, lids and lips. No label says
# anything about emotions.
#
# First, a network learns this task. Then all its weights are frozen. Only a new last layer with seven outputs learns emotions,
# from 600 faces. Always answering "happy" is right on 24 % of the test faces. **What is the accuracy of the network with the
# new layer?** Write down your guess, from 0 to 1.

# %%
frozen_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
frozen_guess = 0.4
### END SOLUTION
course.check("frozen guess", frozen_guess)

# %% [markdown]
# ## 2. A backbone (10 minutes)
#
# The **backbone** is the network without its last layers. This backbone has ten convolutions in four *stages*, `block1` to
# `block4`. Each convolution is followed by a **batch norm**. A batch norm subtracts a mean from each channel and divides by a
# standard deviation. In training, the mean and the standard deviation come from the batch. The batch norm also keeps a running
# average of them for later use. These averages are its *statistics*.
#
# `classifier` puts a backbone into a network. The network first subtracts 128 from the pixels. Its last layer is one dense
# layer, the *head*.


# %%
def classifier(backbone, outputs):
    images = keras.Input((48, 48, 1))
    x = keras.layers.Rescaling(1.0, offset=-128.0)(images)
    x = keras.layers.GlobalAveragePooling2D()(backbone(x))  # 64 maps become 64 numbers: the features
    outputs = keras.layers.Dense(outputs, activation="softmax", name="probabilities")(x)
    return keras.Model(images, outputs)


keras.utils.set_random_seed(SEED)
backbone = models.build_backbone("deepcnn", 48, channels=1, width=0.125)
print([layer.name for layer in backbone.layers])

# %% [markdown]
# **Run the next cell and do not wait for it.** It takes a minute or less. Begin with section 3 meanwhile.

# %%
pretrained = classifier(backbone, outputs=12)
pretrained.compile(
    optimizer=keras.optimizers.Adam(3e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
pretrained.fit(
    people[:2400, ..., None],
    who[:2400],
    batch_size=64,
    epochs=PRETRAIN_EPOCHS,
    validation_data=(people[2400:, ..., None], who[2400:]),
    verbose=2,
)
print("The backbone has learned; its head is thrown away.")

# %% [markdown]
# ## 3. Freeze (15 minutes)
#
# Every layer and every model has an attribute `trainable`. If it is `False`, `fit` does not change the weights. A batch norm
# with `trainable = False` uses its statistics instead of the batch's, and does not change them. A model passes the attribute on
# to all layers inside it.
#
# Write `freeze`. Afterwards, `fit` changes no weight of the `model`, and no batch norm in it changes. The function returns
# nothing.


# %%
def freeze(model):
    ### BEGIN SOLUTION
    model.trainable = False
    ### END SOLUTION


course.check("freeze", freeze)

# %% [markdown]
# Do not rely on it: look at the names. `model.trainable_weights` lists what `fit` will change.

# %%
emotions = classifier(backbone, outputs=7)
print(len(emotions.trainable_weights), "weights are trained before")
freeze(backbone)
print("after:", [weight.path for weight in emotions.trainable_weights])

# %% [markdown]
# How many *numbers* will `fit` change now? There are 64 features. Count by hand, as in lab 2.

# %%
trained_parameters = None
### BEGIN SOLUTION
trained_parameters = 64 * 7 + 7
### END SOLUTION
course.check("trained parameters", trained_parameters)

# %%
print(f"{trained_parameters} of {emotions.count_params():,} parameters learn emotions")

# %% [markdown]
# ## 4. Unfreeze, but not everything (20 minutes)
#
# **Fine-tuning** also trains the later stages of the backbone. Later stages usually are the most specific to the old task.
#
# Write `unfreeze`. The function gets a frozen `backbone`. It makes the layers of stage `first_stage` and of all later stages
# trainable. Batch norms stay frozen in all stages. The stage of a layer is the number in its name: `block3_conv2` belongs to
# stage 3, and so does `block3_conv2_bn`. A layer without a stage stays frozen.
#
# By hand: a backbone has the layers `block1_conv`, `block2_conv`, `block2_norm` (a batch norm) and `block3_conv`. From stage 2
# on, `block2_conv` and `block3_conv` are trained.
#
# Helpful: `name.startswith("block")`, `int("3")`, `isinstance(layer, keras.layers.BatchNormalization)`. The check uses three
# networks. Not all of them have `bn` in the names of their batch norms.


# %%
def unfreeze(backbone, first_stage):
    ### BEGIN SOLUTION
    backbone.trainable = True
    for layer in backbone.layers:
        late = layer.name.startswith("block") and int(layer.name[5]) >= first_stage
        layer.trainable = late and not isinstance(layer, keras.layers.BatchNormalization)
    ### END SOLUTION


course.check("unfreeze", unfreeze)

# %% [markdown]
# **Common mistakes.**
#
# - People only set `backbone.trainable = True`. Then batch norms train, too. They take their means from small batches of
#   faces, and the layers behind them get other inputs than before.
# - People change `trainable` between two calls of `fit` and do not compile again. The second `fit` then trains the same
#   weights as the first one (Keras warns).
#
# The line that prints the names shows the first mistake, but not the second.
#
# ## 5. The same features, and one line of preprocessing (15 minutes)
#
# The backbone was trained with pixels from −128 to 127. The paper of this study made another choice for its ResNet50. That
# network had been trained on pixels from 0 to 255 minus a mean, but the paper gave it pixels from 0 to 1. This arm ended at an
# accuracy of 24.8 %, the worst of all.
#
# **Predict first.** A last layer learns from the features of pixels / 255. Then it predicts the test faces. **What share of the
# test faces gets its most frequent prediction?** (24 % of the labels are "happy".)

# %%
same_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
same_guess = 0.5
### END SOLUTION
course.check("same guess", same_guess)

# %% [markdown]
# Features that are the same for every face say nothing about any face. Write `feature_spread`. `features` is a float array of
# shape (n, d): n images with d features, none below 0. Do these steps:
#
# 1. Compute the standard deviation of each feature over the images.
# 2. Compute the mean of these standard deviations.
# 3. Divide it by the mean of all numbers in `features`, and return the result.
#
# If all features are 0, return 0.0.
#
# By hand, for three images with three features:
#
# - The first feature is 2, 4, 6. Its standard deviation is 1.633 (`np.std`).
# - The second feature is 5, 5, 5, and the third is 0, 0, 0. Their standard deviations are 0.
# - The mean of the three standard deviations is 0.544. The mean of all nine numbers is 3. So the spread is 0.544 / 3 = 0.181.
#
# If all features are multiplied by 1,000, the spread stays the same.


# %%
def feature_spread(features):
    ### BEGIN SOLUTION
    average = features.mean()
    if average == 0:
        return 0.0
    return features.std(axis=0).mean() / average
    ### END SOLUTION


course.check("feature_spread", feature_spread)

# %% [markdown]
# The backbone is frozen, so its features never change. They are computed once. Then the last layer learns from them in seconds.


# %%
def frozen_arm(prepare):
    """Train a head on the features of prepared pixels: the head, the features' spread, its answers to the test faces."""
    keras.utils.set_random_seed(SEED)
    parts = [backbone.predict(prepare(part.images[..., None]), verbose=0) for part in (train, test)]
    features, test_features = (maps.mean(axis=(1, 2)) for maps in parts)
    head = keras.Sequential([keras.Input((64,)), keras.layers.Dense(7, activation="softmax")])
    head.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    head.fit(features, train.labels, batch_size=32, epochs=20, verbose=0)
    return head, feature_spread(features), head.predict(test_features, verbose=0).argmax(axis=1)


# %%
arms = {
    "pixels - 128": frozen_arm(lambda pixels: pixels - 128.0),
    "pixels / 255": frozen_arm(lambda pixels: pixels / 255),
}
rows = [
    [spread, np.mean(found == test.labels), np.bincount(found).max() / len(test)] for _, spread, found in arms.values()
]
pd.DataFrame(rows, list(arms), ["spread", "accuracy", "same answer"]).round(3)

# %% [markdown]
# The statistics of the batch norms belong to pixels from −128 to 127. Compared with this range, all pixels from 0 to 1 are
# nearly the same gray. So the features hardly differ from face to face. The head can only learn which emotion is the most
# frequent.
#
# **Discuss.** There was no error and no warning, and the accuracy looks like that of a weak network. Which column of the table
# would have warned the authors? Could more epochs have helped?

# %% [markdown]
# ## 6. Three ways (15 minutes)
#
# Now train the same network in three ways, on the same 600 faces:
#
# - *frozen*: as above, 20 epochs for the head;
# - *fine-tuned*: starts from the head of the frozen arm, and trains from stage 3 on for 8 more epochs;
# - *from scratch*: starts from random weights, and trains for 8 epochs.
#
# So the three arms do not get the same number of epochs. While the training runs, write down the order that you expect.


# %%
def trained(backbone, head=None):
    """Train what is trainable of a backbone with a head on it; return its answers to the test faces."""
    model = classifier(backbone, outputs=7)
    if head:
        model.get_layer("probabilities").set_weights(head.get_weights())
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train.images[..., None], train.labels, batch_size=32, epochs=EPOCHS, verbose=2)
    return model.predict(test.images[..., None], verbose=0).argmax(axis=1)


# %%
# Run this cell once, since it changes the backbone. To repeat it, run all cells again.
head, _, frozen_answers = arms["pixels - 128"]
unfreeze(backbone, 3)
answers = {"frozen": frozen_answers, "fine-tuned": trained(backbone, head)}
answers["from scratch"] = trained(models.build_backbone("deepcnn", 48, channels=1, width=0.125))

# %%
rows = {}
for arm, found in answers.items():
    right = int(np.sum(found == test.labels))
    low, high = evaluation.wilson_interval(right, len(test))
    rows[arm] = {"right": right, "n": len(test), "accuracy": right / len(test), "low": low, "high": high}
print(f"You guessed {frozen_guess:.0%} for the frozen one, and {same_guess:.0%} the same answer.")
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# ## 7. Your result (10 minutes)
#
# Write three sentences for a reader who has not done this lab:
#
# 1. How much accuracy did the features of another task add with 600 faces, and how sure is that? State n.
# 2. Can you say here which of frozen and fine-tuned is better? What would you need to say it? (Wilson's intervals cover other
#    test faces. They do not cover another seed.)
# 3. "From scratch fails." Is that true of the method, or only of this network with 600 faces and eight epochs? What accuracy
#    did the network of lab 2 have?
#
# ## Homework: the real data
#
# Get FER-2013 ([how](../docs/running.md#real-data)), set `DATA` to its path, and run all cells again. The backbone is still
# pretrained on drawn people.
#
# 1. What accuracy do the frozen features of drawn people reach on real faces? Is it above the floor?
# 2. Standardize the features before the head learns: (features − mean) / standard deviation, both of the training faces. Does
#    this undo the collapse? What does the result say about the information that is left in the features?
# 3. Set `SEED` to 1 and 2. By how much do the accuracies of the three arms change? Do frozen and fine-tuned keep their order?
