"""Model builders: backbones, the paper's heads, freezing, and preprocessing and augmentation as layers."""

from fer_utils.models.augmentation import AUGMENTATIONS, augmentation_layer
from fer_utils.models.backbones import build_backbone
from fer_utils.models.classifier import at_size, build_classifier, parameter_counts, prepare
from fer_utils.models.heads import add_head, cut_at, freeze, read_units, split_at_head, unfreeze_from
