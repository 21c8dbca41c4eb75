// Faces in a picture, and each as the network wants it: upright, framed as FER-2013 frames faces, 48 x 48 grey levels.
import * as faceapi from './face-api.esm.js';

export const SIDE = 48;
export const SIZES = { photo: [224, 416, 608], camera: [224, 320] }; // of findFaces

/** Load the detector and what finds the eyes. folder: the address that their files lie in. */
export async function loadFinder(folder) {
  const { tf, nets } = faceapi;
  // Threads need a server's special headers, which a plain one (GitHub Pages) does not send.
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  tf.setWasmPaths(folder.href);
  await tf.setBackend('wasm');
  await tf.ready();
  await nets.tinyFaceDetector.loadFromUri(folder.href);
  await nets.faceLandmark68TinyNet.loadFromUri(folder.href);
}

/**
 * The faces on a canvas, from left to right: {box: {x, y, width, height}, eyes: [left, right], score}.
 * Eyes are [x, y] in pixels, the left one as seen in the picture. sizes: to which the picture is brought for the
 * detector, multiples of 32. A large one shows it small faces, a small one such as fill the picture; each takes its time.
 */
export async function findFaces(canvas, sizes) {
  const found = [];
  for (const inputSize of sizes) {
    const options = new faceapi.TinyFaceDetectorOptions({ inputSize, scoreThreshold: 0.5 });
    for (const { detection, landmarks } of await faceapi.detectAllFaces(canvas, options).withFaceLandmarks(true)) {
      const { x, y, width, height } = detection.box;
      const eyes = [landmarks.getLeftEye(), landmarks.getRightEye()].map(middle).sort((a, b) => a[0] - b[0]);
      found.push({ box: { x, y, width, height }, eyes, score: detection.score });
    }
  }
  found.sort((a, b) => b.score - a.score); // of several boxes of one face the surest stays
  const kept = [];
  for (const face of found) if (!kept.some((other) => overlap(face.box, other.box) > 0.4)) kept.push(face);
  return kept.sort((a, b) => a.box.x - b.box.x);
}

/** The share of the smaller of two boxes that lies in the other. */
function overlap(a, b) {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return (Math.max(across, 0) * Math.max(down, 0)) / Math.min(a.width * a.height, b.width * b.height);
}

const middle = (points) => ['x', 'y'].map((axis) => points.reduce((sum, p) => sum + p[axis], 0) / points.length);

/**
 * The square that FER-2013 would show of a face: {x, y (its middle), side, angle}, turned so that the eyes are level.
 * framing: {margin, eyes}, measured for this detector by tools/framing_page.py: the square's side in sides of a square
 * as large as the box, and where the middle between the eyes lies in it, right and down.
 */
export function frameOf({ box, eyes: [left, right] }, { margin, eyes }) {
  const angle = Math.atan2(right[1] - left[1], right[0] - left[0]);
  const side = margin * Math.sqrt(box.width * box.height);
  const [across, down] = eyes.map((part) => side * (0.5 - part));
  return {
    x: (left[0] + right[0]) / 2 + across * Math.cos(angle) - down * Math.sin(angle),
    y: (left[1] + right[1]) / 2 + across * Math.sin(angle) + down * Math.cos(angle),
    side,
    angle,
  };
}

/** Grey levels of an ImageData, by the usual weights of red, green and blue: {levels, width, height}. */
export function grey({ data, width, height }) {
  const levels = new Uint8ClampedArray(width * height); // rounds
  for (let i = 0; i < levels.length; i += 1) {
    levels[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
  }
  return { levels, width, height };
}

/**
 * A frame of a grey picture as 48 x 48 bytes. Each is the mean of a grid of points, one a pixel of the picture, so
 * that nothing flickers when a large face becomes small. Beyond the picture its edge is repeated.
 */
export function cut(picture, { x, y, side, angle }) {
  const sums = new Float64Array(SIDE * SIDE);
  const points = Math.max(1, Math.ceil(side / SIDE));
  const step = side / SIDE / points;
  const [right, down] = [Math.cos(angle) * step, Math.sin(angle) * step];
  const first = (1 - SIDE * points) / 2;
  for (let row = 0; row < SIDE * points; row += 1) {
    for (let column = 0; column < SIDE * points; column += 1) {
      const [u, v] = [first + column, first + row];
      sums[Math.floor(row / points) * SIDE + Math.floor(column / points)] += level(
        picture, x + u * right - v * down - 0.5, y + u * down + v * right - 0.5);
    }
  }
  return Uint8ClampedArray.from(sums, (sum) => sum / points ** 2); // rounds
}

/** The grey level between four pixels. */
function level({ levels, width, height }, x, y) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [across, down] = [x - left, y - top];
  const [x0, x1] = [clamp(left, width), clamp(left + 1, width)];
  const [y0, y1] = [clamp(top, height) * width, clamp(top + 1, height) * width];
  const above = levels[y0 + x0] * (1 - across) + levels[y0 + x1] * across;
  const below = levels[y1 + x0] * (1 - across) + levels[y1 + x1] * across;
  return above * (1 - down) + below * down;
}

const clamp = (place, size) => Math.min(Math.max(place, 0), size - 1);
