"""A network as an ONNX file, for ONNX Runtime in any language or a browser (``export``).

int8 is ONNX Runtime's static quantization: each convolution and dense layer but the last computes with whole numbers,
its weights scaled a channel at a time, its activations by what they reach on calibration images. The last layer, where
a step of a whole number would be seen in every probability, stays as it is. Source: Jacob et al. 2018,
arXiv:1712.05877.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np

from fer_utils.names import SIDE

OPSET = 15  # of 2021: what is read by runtimes of the last years, and has all that our networks need
BATCH = 16  # calibration images at once; all activations of a batch are held
METHODS = ("MinMax", "Entropy", "Percentile")  # how the range of an activation is chosen


def to_onnx(model, precision, properties, faces=None, method="Percentile", bits=7):
    """A Keras model as ONNX: bytes. It takes `image` uint8 (n, 48, 48) and gives `probabilities` float32 (n, 7).

    model: plain, of ``answering.for_answers``. precision: "float32", "float16" or "int8". properties: what is written
    beside the graph, str -> str. faces: uint8 (n, 48, 48), for int8. method: one of ``METHODS``; by default the
    one that was chosen on PublicTest for the package's network (docs/exports.md). bits: 7 or 8 of a weight that are
    used. Seven lose a little, and are right everywhere: processors without VNNI add two products in 16
    bits, and so may browsers, which overflows with eight.
    """
    import onnx

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
    """Let input, output and number of faces be called image, probabilities and n."""
    graph = model.graph
    names = {graph.input[0].name: "image", graph.output[0].name: "probabilities"}
    for value, name in ((graph.input[0], "image"), (graph.output[0], "probabilities")):
        value.name = name
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del graph.value_info[:]  # shapes by the old names; whoever reads the file infers them


def _halve(model):
    """Store the weights as float16, each with a node that makes float32 of it, which is what is computed in.

    ONNX Runtime does that once, while it loads the file. To compute in float16 would be no faster on a processor: few
    have the instructions, and ONNX Runtime would go from one type to the other around every layer.
    """
    import onnx

    casts = []
    for weights in model.graph.initializer:
        # Kernels alone: the factor by which an image is resized must not be rounded, and biases take no room.
        if weights.data_type == onnx.TensorProto.FLOAT and len(weights.dims) > 1:
            name = weights.name
            halves = onnx.numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}/half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/whole", to=1))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantized(model, faces, method, bits):
    """The same graph with whole numbers, calibrated on `faces`."""
    import onnx
    from onnxruntime import quantization

    nodes = list(model.graph.node)
    quantization.quant_utils.add_pre_process_metadata(model)  # whose work tf2onnx has done: batch norm is folded
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
    """`faces` as quantize_static wants them; as many as make whole batches."""
    from onnxruntime.quantization import CalibrationDataReader

    class Batches(CalibrationDataReader):
        def __len__(self):
            return max(1, len(faces) // BATCH) * BATCH

        def set_range(self, start_index, end_index):
            self.left = iter([{"image": faces[start_index:end_index]}])

        def get_next(self):
            return next(self.left, None)

    return Batches()
