"""Compute the shipped network's mean map of each emotion: ``python tools/maps.py --data fer2013.csv``.

Uses the faces of PublicTest that it predicts right: all for Grad-CAM, the first --occluded per emotion for occlusion.
Writes outputs/reference/maps: mean_maps.npz (grad_cam and occlusion, float16 (7, 48, 48), from ``maps.mean_map``) and
maps.json (the numbers of faces). A mean of maps contains no image.
"""

import argparse

import numpy as np
from circumstances import circumstances

from fer_utils import data, recognize, runs
from fer_utils.models import tta
from fer_utils.names import EMOTIONS
from fer_utils.recognize import maps

REFERENCE = runs.PROJECT_ROOT / "outputs/reference/maps"
OCCLUDED = 40  # faces of each emotion


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--occluded", type=int, default=OCCLUDED, help="another number needs --out")
    parser.add_argument("--out", type=runs.resolve, default=REFERENCE)
    given = parser.parse_args()
    if given.occluded < 1:
        parser.error(f"--occluded: needs at least one face of each emotion, not {given.occluded}")
    if given.occluded != OCCLUDED and given.out == REFERENCE:
        parser.error("another number of --occluded is for trying the tool: name another folder with --out")
    everything = data.load_fer2013(given.data)
    faces = everything.take(everything.usage == "PublicTest")
    model = recognize.load_network()
    right = tta.predict(model, faces.images).argmax(axis=1) == faces.labels
    chosen = [faces.images[right & (faces.labels == code)] for code in range(len(EMOTIONS))]
    means = {
        "grad_cam": [maps.mean_map(maps.grad_cam(model, images)) for images in chosen],
        "occlusion": [maps.mean_map(maps.occlusion(model, images[: given.occluded])) for images in chosen],
    }
    given.out.mkdir(parents=True, exist_ok=True)
    whole = {name: np.array(found, np.float16) for name, found in means.items()}
    runs.write_whole(given.out / "mean_maps.npz", lambda stream: np.savez_compressed(stream, **whole))
    facts = {
        **circumstances(network=recognize.facts()["run"]),
        "split": "PublicTest",
        "emotions": list(EMOTIONS),
        "faces": {
            "grad_cam": [len(images) for images in chosen],
            "occlusion": [min(len(images), given.occluded) for images in chosen],
        },
    }
    runs.write_json(given.out / "maps.json", facts)
    print(f"{given.out}: mean maps of {right.sum()} of {len(faces)} faces")


if __name__ == "__main__":
    main()
