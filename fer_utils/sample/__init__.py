"""The built-in data set: faces drawn from Action Units, in FER-2013's form. It needs no download."""

from fer_utils.sample.dataset import VERSION, action_unit_sheet, draw, draw_face, draw_identities
from fer_utils.sample.drawing import Identity, View
from fer_utils.sample.moving import MOVING, Expressions, at_rest, draw_expressions, moved, parts, would_move
