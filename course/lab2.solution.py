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
# # Lab 2 · A first network
#
# **90 minutes. You count the parameters of a network, build it, train it, and find out from which epoch on it overfits.**
#
# | | |
# |---|---|
# | You can do afterwards | count a network's parameters by hand; build a small CNN in Keras; read a training curve |
# | You need | lab 1 (floor, splits); Python functions, lists and dicts; nothing about networks |
# | Belongs to | notebook [03_train_from_scratch](../notebooks/03_train_from_scratch.ipynb), which you may read afterwards |
# | Words | [glossary](../docs/glossary.md) |
#
# Write code where it says `YOUR CODE HERE`. The line below it checks your code. Run the cells in order. The first cell loads
# TensorFlow, which takes some seconds.

# %%
import keras
import numpy as np
import pandas as pd

from fer_utils import course, data, evaluation, plotting, training

# %% tags=["parameters"]
DATA = "sample"  # "sample": drawn faces; at home the path of FER-2013's CSV, zip or folder
FACES = 1200  # to train on, so that an epoch takes a second or two
EPOCHS = 20  # passes over these faces
SEED = 0  # seeds everything random: first weights, order of the faces

# %%
faces = data.load_fer2013(DATA)
train = faces.take(faces.usage == "Training").take(slice(FACES))
validation = faces.take(faces.usage == "PublicTest")
test = faces.take(faces.usage == "PrivateTest")
axes = plotting.sample_grid(train.images[:14], train.labels[:14], columns=7)
print(f"{len(train):,} faces to train on, {len(validation):,} to watch it, {len(test):,} that stay shut until the end")

# %% [markdown]
# ## 1. Predict first (5 minutes)
#
# Always answering "happy" is right on about 24 % of the drawn test faces. That is the floor of lab 1. You will train a network
# of five layers on 1,200 faces. **What will its accuracy on the test faces be?** Write down your guess, from 0 to 1.

# %%
accuracy_guess = None  # a share from 0 to 1
### BEGIN SOLUTION
accuracy_guess = 0.5
### END SOLUTION
course.check("accuracy guess", accuracy_guess)

# %% [markdown]
# ## 2. Parameters, with a pencil (20 minutes)
#
# A **convolution** slides small filters over an image. At each place, a filter looks at a window of 3 x 3 places, in all
# channels at once. It multiplies each number in the window by a weight, adds up the products, and adds one bias. The result is
# one number for each place. The weights are the same at every place. Each filter makes one channel of the output.
#
# A **dense** layer has no places. Each of its outputs has one weight for every input, and one bias.
#
# By hand: take 8 filters of 5 x 5 on a colour image (3 channels). Each filter has 5 · 5 · 3 = 75 weights and 1 bias. So there
# are 8 · 76 = 608 parameters. A dense layer from 10 numbers to 4 has 10 · 4 + 4 = 44 parameters.
#
# The table shows your network. With *same* padding, the output has as many places as the input. Max-pooling takes the largest
# of 2 x 2 numbers. *ReLU* replaces negative numbers by 0.
#
# | | layer | output |
# |---|---|---|
# | | image, gray values from 0 to 255 | 48 x 48 x 1 |
# | | divide by 255 | 48 x 48 x 1 |
# | conv 1 | 16 filters of 3 x 3, same padding, ReLU | 48 x 48 x 16 |
# | | max-pooling 2 x 2 | 24 x 24 x 16 |
# | conv 2 | 32 filters of 3 x 3, same padding, ReLU | 24 x 24 x 32 |
# | | max-pooling 2 x 2 | 12 x 12 x 32 |
# | conv 3 | 64 filters of 3 x 3, same padding, ReLU | 12 x 12 x 64 |
# | | max-pooling 2 x 2 | 6 x 6 x 64 |
# | | flatten: one long row | ? |
# | dense 1 | 64 outputs, ReLU | 64 |
# | dense 2 | 7 outputs, softmax: seven probabilities | 7 |
#
# Count the parameters of the five layers that have any. Write down the five numbers, from top to bottom. You may write `4 * 11`
# instead of `44`. Do not use Keras yet.

# %%
parameters = []
### BEGIN SOLUTION
parameters = [
    16 * (3 * 3 * 1 + 1),
    32 * (3 * 3 * 16 + 1),
    64 * (3 * 3 * 32 + 1),
    6 * 6 * 64 * 64 + 64,
    64 * 7 + 7,
]
### END SOLUTION
course.check("parameters", parameters)

# %%
names = ["conv 1", "conv 2", "conv 3", "dense 1", "dense 2"]
print(f"{sum(parameters):,} parameters in all")
(pd.Series(parameters, names) / sum(parameters)).map("{:.1%}".format)

# %% [markdown]
# **Discuss.** One layer has most of the parameters. How could you halve the number of parameters of the network?

# %% [markdown]
# ## 3. The network (20 minutes)
#
# Write `small_cnn`. It returns a new `keras.Model` with the layers of the table. Use these parts:
#
# - `keras.Sequential([...])`, around all the other parts,
# - `keras.Input((48, 48, 1))`, as the first part,
# - `keras.layers.Rescaling(1 / 255)`,
# - `keras.layers.Conv2D(filters, 3, padding="same", activation="relu")`,
# - `keras.layers.MaxPooling2D()`, `keras.layers.Flatten()`,
# - `keras.layers.Dense(outputs, activation="...")`.
#
# Do not compile the network yet: section 4 does.


# %%
def small_cnn():
    ### BEGIN SOLUTION
    layers = [keras.Input((48, 48, 1)), keras.layers.Rescaling(1 / 255)]
    for filters in (16, 32, 64):
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.Flatten())
    layers.append(keras.layers.Dense(64, activation="relu"))
    layers.append(keras.layers.Dense(7, activation="softmax"))
    return keras.Sequential(layers)
    ### END SOLUTION


course.check("small_cnn", small_cnn)

# %%
keras.utils.set_random_seed(SEED)
model = small_cnn()
model.summary()

# %% [markdown]
# What does the network predict before it has learned anything? It gives seven probabilities for each face, which add up to one:

# %%
before = model.predict(train.images[:3, ..., None], verbose=0)  # None: the axis of the one channel
pd.DataFrame(before, columns=data.EMOTIONS).map("{:.1%}".format)

# %% [markdown]
# ## 4. Train it, and work meanwhile (15 minutes)
#
# The **loss** of a face is −ln(p), where p is the probability that the network gives to the label of the face. The loss is 0 if
# the network is sure and right. The loss is ln 7 = 1.95 if the network gives each emotion a seventh.
#
# Training takes 32 faces at a time. It moves every weight a little, so that the loss of these faces falls. *Adam* is the method
# that decides how far each weight moves. An **epoch** is one pass over all training faces. After each epoch, the network
# predicts the validation faces. It learns nothing from them.
#
# **Run the next cell and do not wait for it.** Continue below while it runs. You can write in other cells. If you run one of
# them, it waits until the training has ended.

# %%
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
history = model.fit(
    train.images[..., None],
    train.labels,
    batch_size=32,
    epochs=EPOCHS,
    validation_data=(validation.images[..., None], validation.labels),
    verbose=2,
).history

# %% [markdown]
# **Meanwhile:** which layer needs the most computing? Count the multiplications for one image. Write down five numbers again,
# from top to bottom.
#
# By hand: take 8 filters of 5 x 5 on a colour image of 10 x 10 places. They need 8 · 75 multiplications at each place. That
# makes 8 · 75 · 100 = 60,000. Biases are added, not multiplied.

# %%
multiplications = []
### BEGIN SOLUTION
multiplications = [
    16 * 9 * 48 * 48,
    32 * 9 * 16 * 24 * 24,
    64 * 9 * 32 * 12 * 12,
    6 * 6 * 64 * 64,
    64 * 7,
]
### END SOLUTION
course.check("multiplications", multiplications)

# %%
table = pd.DataFrame({"parameters": parameters, "multiplications": multiplications}, names)
(table / table.sum()).map("{:.1%}".format)

# %% [markdown]
# **Discuss.** Which layer needs the most memory for its parameters, and which layers need the most time? You have one phone
# with little memory, and another with a slow processor. What do you change in the network for each phone?

# %% [markdown]
# ## 5. Read the curve (15 minutes)
#
# `history` is a dict of four lists: `loss`, `accuracy`, `val_loss`, `val_accuracy`. Each list has one number per epoch. Write
# two functions:
#
# - `best_epoch` returns the epoch with the smallest *validation* loss, counted from 1. If several epochs have the smallest
#   loss, it returns the earliest.
# - `overfits_from` returns the first epoch *after the best one* whose *training* loss is below that of the best epoch. In that
#   epoch, the network fits the training faces better than in the best epoch, but not the validation faces. If there is no such
#   epoch, the function returns `None`.
#
# By hand: `val_loss` is 1.8, 1.5, 1.6, 1.7 and `loss` is 1.7, 1.3, 1.4, 1.1. The best epoch is 2. Epoch 3 has a training loss
# of 1.4, which is not below 1.3. Epoch 4 has a training loss of 1.1. So the network overfits from epoch 4.


# %%
def best_epoch(history):
    ### BEGIN SOLUTION
    return history["val_loss"].index(min(history["val_loss"])) + 1
    ### END SOLUTION


course.check("best_epoch", best_epoch)


# %%
def overfits_from(history):
    ### BEGIN SOLUTION
    best = best_epoch(history)
    losses = history["loss"]
    for epoch in range(best + 1, len(losses) + 1):
        if losses[epoch - 1] < losses[best - 1]:
            return epoch
    return None
    ### END SOLUTION


course.check("overfits_from", overfits_from)

# %%
curves = pd.DataFrame(history).assign(epoch=range(1, EPOCHS + 1))
plotting.history_curves(curves, monitor="val_loss")
print(f"best epoch {best_epoch(history)}; overfits from epoch {overfits_from(history)}")

# %% [markdown]
# **Discuss.** After the best epoch, the validation *loss* rises. But the validation *accuracy* hardly falls, or even rises. How
# is this possible? (Think of one face. First the network is wrong about it with a probability of 60 %, and later with 99 %.)

# %% [markdown]
# ## 6. The test accuracy (5 minutes)
#
# The test faces have influenced nothing so far. Use them now, once. Compute the share of test faces that your network predicts
# correctly. The prediction for a face is the emotion with the largest probability: `answers.argmax(axis=1)`.

# %%
answers = model.predict(test.images[..., None], verbose=0)
test_accuracy = None
### BEGIN SOLUTION
test_accuracy = np.mean(answers.argmax(axis=1) == test.labels)
### END SOLUTION
course.check("test accuracy", test_accuracy)

# %%
low, high = evaluation.wilson_interval(round(test_accuracy * len(test)), len(test))
floor = np.mean(test.labels == np.bincount(train.labels).argmax())
print(f"You guessed {accuracy_guess:.0%}. It is {test_accuracy:.1%} ({low:.1%} to {high:.1%}, n = {len(test)}).")
print(f"The floor is {floor:.1%}; on its own training faces it has {history['accuracy'][-1]:.1%}.")

# %% [markdown]
# **Common mistakes.**
#
# - *No softmax.* The loss expects probabilities. Without softmax, the same training ended at an accuracy of 11 to 19 %. That is
#   below the floor, and Keras gave no warning.
# - *Pixels from 0 to 255.* The network learns, but less reliably. Two seeds had 48 and 58 %. With scaled pixels they had 60 and
#   59 %.
# - *The best of all epochs.* The best validation accuracy of all epochs contains luck. Lab 6 measures how much.
#
# ## 7. Your result (10 minutes)
#
# Write three sentences for a reader who has not done this lab:
#
# 1. What is the test accuracy of your network, on how many faces, and with which interval? What is the floor?
# 2. From which epoch on did the validation loss no longer fall? Did the validation accuracy stop rising there, too? What do you
#    conclude?
# 3. You found the best epoch with the validation faces. Why should you not report its *validation* accuracy?
#
# ## Homework: the real data
#
# Get FER-2013 ([how](../docs/running.md#real-data)), set `DATA` to its path, and run all cells again. The check of the test
# accuracy is made for the drawn faces. It may refuse your accuracy on real faces.
#
# 1. Train on 1,200 real faces. What is the accuracy, and how far is it above the floor? Are real faces harder than drawn ones?
# 2. Set `FACES = 28_709`, all of Training, and `EPOCHS = 10`. This takes some minutes. From which epoch on does the network
#    overfit now, and what is its accuracy?
# 3. Put `keras.layers.Dropout(0.5)` before `dense 2` and train again. What happens to the gap between the two curves? Why does
#    the number of parameters stay the same?
