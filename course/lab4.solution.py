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
# **90 minutes. A network that has learned to tell people apart is to name emotions. What does it know already, and how is that
# lost?**
#
# | | |
# |---|---|
# | You can do afterwards | freeze and unfreeze parts of a network, and prove it; recognize features that say nothing; compare three ways with little data |
# | You need | lab 2 (a CNN in Keras, `fit`, the curve); standard deviations |
# | Belongs to | notebooks [02](../notebooks/02_pretrain_backbone.ipynb), [04](../notebooks/04_transfer_learning.ipynb) and [05](../notebooks/05_fine_tuning.ipynb) |
# | Words | [glossary](../docs/glossary.md) |
#
# You write code where it says `YOUR CODE HERE`, and the line below it checks what you wrote. Run the cells in order.

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
# The **source task** is above: who is it? Hair, beard, glasses and skin are another's in every picture; what gives a person away
# are the proportions of the face and a habit of brows, lids and lips. No label says anything about emotions.
#
# A network learns that. Then its weights are kept as they are, and only a last layer of seven outputs learns emotions, from 600
# faces. Always answering "happy" names 24 % of the test faces rightly. **What share does this network name?**

# %%
frozen_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
frozen_guess = 0.4
### END SOLUTION
course.check("frozen guess", frozen_guess)

# %% [markdown]
# ## 2. A backbone (10 minutes)
#
# The **backbone** is all of a network but its last layers. This one has ten convolutions in four *stages*, `block1` to `block4`. Each
# convolution is followed by a **batch norm**, which subtracts a mean from each channel and divides by a standard deviation. While it
# trains, these are taken from the batch; a running mean of them, the *statistics*, is kept for later use.
#
# `classifier` puts a backbone into a network: first 128 is subtracted from the pixels, last comes one dense layer, the *head*.


# %%
def classifier(backbone, outputs):
    images = keras.Input((48, 48, 1))
    x = keras.layers.Rescaling(1.0, offset=-128.0)(images)
    x = keras.layers.GlobalAveragePooling2D()(backbone(x))  # 64 maps become 64 numbers: the features
    outputs = keras.layers.Dense(outputs, activation="softmax", name="probabilities")(x)
    return keras.Model(images, outputs)


training.set_seeds(SEED)
backbone = models.build_backbone("deepcnn", 48, channels=1, width=0.125)
print([layer.name for layer in backbone.layers])

# %% [markdown]
# **Run the next cell and do not wait for it.** It takes a minute or less; begin with section 3 meanwhile.

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
# Every layer and every model has an attribute `trainable`. Where it is `False`, `fit` leaves the weights alone, and a batch norm uses
# its statistics instead of the batch's, and leaves them alone, too. A model hands the attribute down to all layers inside it.
#
# Write `freeze`: afterwards no weight of the `model` is trained, and no batch norm in it changes. It returns nothing.


# %%
def freeze(model):
    ### BEGIN SOLUTION
    model.trainable = False
    ### END SOLUTION


course.check("freeze", freeze)

# %% [markdown]
# Do not trust it: look at the names. `model.trainable_weights` is what `fit` will change.

# %%
emotions = classifier(backbone, outputs=7)
print(len(emotions.trainable_weights), "weights are trained before")
freeze(backbone)
print("after:", [weight.path for weight in emotions.trainable_weights])

# %% [markdown]
# How many *numbers* are that? The features are 64. Count by hand, as in lab 2.

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
# **Fine-tuning** lets the later stages learn as well: they know most about the old task. Write `unfreeze`: in a frozen
# `backbone`, the layers of stage `first_stage` and of all later stages become trainable, except batch norm, which stays frozen
# everywhere. A layer's stage is the number in its name: `block3_conv2` is of stage 3, and so is `block3_conv2_bn`. What is of no
# stage stays frozen.
#
# By hand, for a backbone with `block1_conv`, `block2_conv`, `block2_norm` (a batch norm), `block3_conv`: from stage 2 on,
# `block2_conv` and `block3_conv` are trained.
#
# Helpful: `name.startswith("block")`, `int("3")`, `isinstance(layer, keras.layers.BatchNormalization)`. The check tries it on three
# networks. Not every one of them calls its batch norm `bn`.


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
# **What people get wrong.** They unfreeze with `backbone.trainable = True` and leave it at that. Then batch norm trains, too: it
# takes its means from small batches of faces, and what stood behind it no longer fits. Or they change `trainable` between two
# calls of `fit` and do not compile again: the second goes on training what the first one trained (Keras warns). The line that
# prints the names shows the first mistake, not the second.
#
# ## 5. The same features, and one line of preprocessing (15 minutes)
#
# The backbone knows pixels from −128 to 127, since that is what it was trained with. The paper of this study gave its ResNet50
# pixels from 0 to 1, although it had been trained on pixels from 0 to 255 less a mean. The arm ended at 24.8 %, the worst of all.
#
# **Predict first.** A last layer learns from the features of pixels / 255. **What share of the test faces gets its most frequent
# answer?** (Of the labels, 24 % are "happy".)

# %%
same_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
same_guess = 0.5
### END SOLUTION
course.check("same guess", same_guess)

# %% [markdown]
# Features that are the same for every face say nothing about any. Write `feature_spread` of `features`, float (n, d): n images with d
# features, none below 0. It is the standard deviation of a feature over the images, averaged over the features, divided by the
# average of all features. If all are 0, it is 0.0.
#
# By hand: of three images the first feature is 2, 4, 6, with a standard deviation of 1.633 (`np.std`). The second is 5, 5, 5, the
# third 0, 0, 0; these have 0. The average of the three is 0.544, the average of all nine numbers is 3. So the spread is 0.544 / 3 =
# 0.181. Had we multiplied all features by 1,000, it would be the same.


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
# The backbone is frozen, so its features never change: they are computed once, and the last layer learns from them in seconds.


# %%
def frozen_arm(prepare):
    """A head on the features of prepared pixels: the head, the spread of the features, the answers to the test faces."""
    training.set_seeds(SEED)
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
# To statistics of pixels from −128 to 127, numbers from 0 to 1 are one flat gray. The head learns what is left: which emotion is
# the commonest.
#
# **Discuss.** No error, no warning, and an accuracy that looks like a weak network. Which of these columns would have told the
# authors? Could more epochs have helped?

# %% [markdown]
# ## 6. Three ways (15 minutes)
#
# The same network three times, with the same 600 faces: *frozen*, as above; *fine-tuned*, which starts from the frozen arm's head
# and learns from stage 3 on; *from scratch*, from random weights. They do not get the same epochs: 20 for the frozen head, 8 more for fine-tuning, 8 from
# scratch. While it runs, write down the order that you expect.


# %%
def trained(backbone, head=None):
    """The answers to the test faces after training what is trainable of a backbone with a head on it."""
    model = classifier(backbone, outputs=7)
    if head:
        model.get_layer("probabilities").set_weights(head.get_weights())
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train.images[..., None], train.labels, batch_size=32, epochs=EPOCHS, verbose=2)
    return model.predict(test.images[..., None], verbose=0).argmax(axis=1)


# %%
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
# In three sentences, for someone who has not been here:
#
# 1. What did the features of another task bring with 600 faces, and how sure is that? Say n.
# 2. Can frozen and fine-tuned be told apart here? What would you need to tell? (Wilson's intervals cover other test faces. They
#    do not cover another seed.)
# 3. "From scratch fails." Is that so of the method, or of this network with 600 faces and eight epochs? What did lab 2 have?
#
# ## Homework: the real data
#
# Get FER-2013 ([how](../docs/running.md#real-data)), set `DATA` to its path, and run all cells again. The backbone is still
# pretrained on drawn people.
#
# 1. What do the frozen features of drawn people bring for real faces? Are they above the floor?
# 2. Divide the features by their own standard deviation: (features − mean) / standard deviation, both of the training faces,
#    before the head learns. Does that undo the collapse? What does that say about what is left in the features?
# 3. Set `SEED` to 1 and 2. By how much do the three arms move, and do frozen and fine-tuned keep their order?
