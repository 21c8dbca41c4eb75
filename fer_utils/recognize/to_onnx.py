"""Convert a network to ONNX, for ONNX Runtime in any language or a browser (``export``).

int8 is ONNX Runtime's static quantization (Jacob et al. 2018, arXiv:1712.05877). Each convolution and dense layer but
the last computes with whole numbers. Weights are scaled for each channel, activations by their range on calibration
images. The last layer stays in float32, because rounding there would be visible in every probability.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np

from fer_utils.names import SIDE

OPSET = 15  # from 2021: runtimes of the last years can read it, and it has all that our networks need
BATCH = 16  # calibration images at once; all activations of a batch are in memory
METHODS = ("MinMax", "Entropy", "Percentile")  # ways to choose the range of an activation


def to_onnx(model, precision, properties, faces=None, method="Percentile", bits=7):
    """Convert a Keras model to ONNX: bytes. Input: `image` uint8 (n, 48, 48). Output: `probabilities` float32 (n, 7).

    model: from ``answering.for_answers``. precision: "float32", "float16" or "int8". properties: the metadata, str ->
    str. faces: uint8 (n, 48, 48), to calibrate int8. method: one of ``METHODS``; the default was chosen on PublicTest
    for the package's network (docs/exports.md). bits: 7 or 8 bits of a weight. Seven are a little less exact, but
    correct everywhere: processors without VNNI, and some browsers, add two products in 16 bits, where eight overflow.
    """
    import onnx
    import tf2onnx  # noqa: F401 - Keras uses it, but its own error would not name what is missing

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        takes = [keras.InputSpec(dtype="uint8", shape=(None, SIDE, SIDE), name="image")]
        model.export(path, format="onnx", verbose=False, input_signature=takes, opset_version=OPSET)
        graph = onnx.load(path)
    _name(graph)
    if precision == "float16":
        _halve(graph)
    if precision == "int8":
        graph = _quantized(graph, faces, method, bits)
    graph.producer_name, graph.producer_version = "fer_utils", properties["version"]
    onnx.helper.set_model_props(graph, properties)
    onnx.checker.check_model(graph, full_check=True)
    return graph.SerializeToString()


def _name(model):
    """Name the input image, the output probabilities, and the number of faces n."""
    graph = model.graph
    names = {graph.input[0].name: "image", graph.output[0].name: "probabilities"}
    for value, name in ((graph.input[0], "image"), (graph.output[0], "probabilities")):
        value.name = name
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del graph.value_info[:]  # shapes under the old names; readers infer them again


def _halve(model):
    """Store the weights as float16, each with a node that casts it to float32 for the computation.

    ONNX Runtime casts once, while it loads the file. Computing in float16 would not be faster on a CPU: few have the
    instructions, and ONNX Runtime would cast around every layer.
    """
    import onnx

    casts, float32 = [], onnx.TensorProto.FLOAT
    for weights in model.graph.initializer:
        # Only kernels: the factor that resizes an image must not be rounded, and biases are small.
        if weights.data_type == float32 and len(weights.dims) > 1:
            name = weights.name
            halves = onnx.numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}/half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/whole", to=float32))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantized(model, faces, method, bits):
    """Return the graph quantized to int8, calibrated on `faces`."""
    import onnx
    from onnxruntime import quantization

    nodes = list(model.graph.node)
    quantization.quant_utils.add_pre_process_metadata(model)  # tf2onnx has already folded batch norm
    last = max(place for place, node in enumerate(nodes) if node.op_type in ("MatMul", "Gemm"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            model,
            path,
            _batches(faces),
            op_types_to_quantize=["Conv", "MatMul", "Gemm", "MaxPool", "Add"],
            nodes_to_exclude=[node.name for node in nodes[last:]],
            per_channel=True,
            reduce_range=bits == 7,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod[method],
            extra_options={"CalibStridedMinMax": BATCH},
        )
        return onnx.load(path)


def _batches(faces):
    """A reader of `faces` for quantize_static, which uses only whole batches."""
    from onnxruntime.quantization import CalibrationDataReader

    class Batches(CalibrationDataReader):
        def __len__(self):
            return max(1, len(faces) // BATCH) * BATCH

        def set_range(self, start_index, end_index):
            self.left = iter([{"image": faces[start_index:end_index]}])

        def get_next(self):
            return next(self.left, None)

    return Batches()
