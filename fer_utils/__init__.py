"""Tools for rebuilding Jahangir et al. 2024 (VGG16 and ResNet50 on FER-2013) in notebooks.

Importing the package imports nothing heavy: each module is imported by name where it is used.
"""

__version__ = "0.2.0"
