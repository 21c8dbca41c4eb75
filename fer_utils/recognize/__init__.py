"""Apply, explain and export the network that comes with this package."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras: TensorFlow reports a missing GPU as an error

from fer_utils.recognize.answers import NO_FACE, Answer, answer_about
from fer_utils.recognize.detection import Face, find_faces
from fer_utils.recognize.extras import RequirementError
from fer_utils.recognize.framing import frame
from fer_utils.recognize.network import facts, load_network, probabilities
from fer_utils.recognize.pictures import PictureError, read_picture
