// The network of the package in the browser: onnxruntime-web, on WebAssembly.
import * as ort from './ort.wasm.bundle.min.mjs';
import { SIDE } from './faces.js';

let session;

/** Load the network. bytes(name): a file of the page's folder, as a promise of a Uint8Array. */
export async function loadNetwork(bytes) {
  ort.env.wasm.numThreads = 1; // threads need a server's special headers
  const [runtime, network] = await Promise.all([bytes('ort-wasm-simd-threaded.wasm'), bytes('network-int8.onnx')]);
  ort.env.wasm.wasmBinary = runtime;
  session = await ort.InferenceSession.create(network, { executionProviders: ['wasm'] });
  await probabilities([new Uint8ClampedArray(SIDE * SIDE)]); // the first answer takes longer than the others
}

/** Calibrated probabilities of the seven emotions, a list for each face (48 x 48 bytes). */
export async function probabilities(faces) {
  const all = new Uint8Array(faces.length * SIDE * SIDE);
  faces.forEach((face, place) => all.set(face, place * SIDE * SIDE));
  const image = new ort.Tensor('uint8', all, [faces.length, SIDE, SIDE]);
  const { probabilities: answer } = await session.run({ image });
  const wide = answer.dims[1];
  return faces.map((_, place) => Array.from(answer.data.slice(place * wide, (place + 1) * wide)));
}
