"""Read the weights from a file that an old PyTorch saved, without PyTorch: no code in the file is run."""

import collections
import pickle

import numpy as np

KINDS = {"FloatStorage": np.float32, "LongStorage": np.int64}


class _Reader(pickle.Unpickler):
    """Reads dicts of tensors. Raises pickle.UnpicklingError for anything else."""

    def __init__(self, stream, storages):
        super().__init__(stream)
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if module == "torch" and name in KINDS:
            return name
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which is not needed for tensors")

    def persistent_load(self, pid):
        _, kind, key, _, size, *_ = pid
        self.storages[key] = (KINDS[kind], size)
        return key


def read(path):
    """Return the file's content with tensors as arrays. It has four pickles, then a list of storages, then bytes."""
    storages, arrays = {}, {}
    with open(path, "rb") as stream:
        for _ in range(3):  # a magic number, the format's version, the machine
            _Reader(stream, {}).load()
        content = _Reader(stream, storages).load()
        for key in _Reader(stream, {}).load():
            kind, size = storages[key]
            if int.from_bytes(stream.read(8), "little") != size:
                raise ValueError(f"{path}: storage {key} is not of the stated size {size}")
            arrays[key] = np.frombuffer(stream.read(size * np.dtype(kind).itemsize), kind)
    return _filled(content, arrays)


def _filled(content, arrays):
    """Return the content with each description of a tensor (storage, offset, size, stride) replaced by its array."""
    if isinstance(content, dict):
        return {name: _filled(value, arrays) for name, value in content.items()}
    if isinstance(content, tuple) and len(content) == 4 and content[0] in arrays:
        key, offset, size, stride = content
        flat = arrays[key][offset:]
        return np.lib.stride_tricks.as_strided(flat, size, [step * flat.itemsize for step in stride]).copy()
    return content
