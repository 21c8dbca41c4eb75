// The page: its buttons, photo and camera. Nothing leaves the browser; after loading there is no request at all.
import { SIZES, cut, findFaces, frameOf, grey, loadFinder } from './faces.js';
import { fetcher } from './loading.js';
import { loadNetwork, probabilities } from './network.js';
import settings from './settings.js';
import { at, draw, picture, say, sentence, show } from './view.js';

const MOST = { photo: 1600, camera: 640 }; // pixels of the longest side
const SPOKEN = 3000; // a camera's answers change with every frame; read aloud, they may so every three seconds
const FOLDER = new URL('.', import.meta.url);

let camera = null; // the stream, while it runs
let asked = 0; // how often a picture was asked for: an answer that comes after the next question is not shown

/** Find the faces on the canvas and ask the network about them: {faces, finding, answering}, times in milliseconds. */
async function look(sizes) {
  const start = performance.now();
  const found = await findFaces(picture.canvas, sizes);
  const between = performance.now();
  const levels = found.length && grey(picture.getImageData(0, 0, picture.canvas.width, picture.canvas.height));
  const faces = found.map((face) => ({ ...face, frame: frameOf(face, settings.framing) }));
  faces.forEach((face) => { face.pixels = cut(levels, face.frame); });
  const answers = faces.length ? await probabilities(faces.map((face) => face.pixels)) : [];
  faces.forEach((face, place) => { face.probabilities = answers[place]; });
  return { faces, finding: between - start, answering: performance.now() - between };
}

/** Show a picture (an image element or a bitmap) and what is found in it. */
async function answerPicture(source, width, height) {
  const mine = (asked += 1);
  stopCamera();
  draw(source, width, height, MOST.photo);
  say('Looking for faces ...');
  const result = await look(SIZES.photo);
  if (mine !== asked) return;
  show(result);
  const { canvas } = picture;
  const smaller = canvas.width < width ? ` The picture was made smaller, from ${width} × ${height} pixels.` : '';
  const none = 'No face was found. It may be turned away, very small, or partly hidden.';
  say((result.faces.length ? sentence(result.faces) : none) + smaller);
}

async function answerFile(file) {
  const mine = (asked += 1); // reading a large file takes a while
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }); // as the camera was held
  } catch {
    if (mine === asked) say(`${file.name} is no picture that this browser can read. JPEG, PNG and WebP are.`);
    return;
  }
  if (mine === asked) await answerPicture(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
}

const REFUSED = {
  NotAllowedError: 'The camera was refused. Allow it in the browser\'s settings for this page, and press the button again.',
  NotFoundError: 'There is no camera on this device. A picture does as well.',
  NotReadableError: 'The camera is in use by another program. Close that one, and press the button again.',
};

async function startCamera() {
  const mine = (asked += 1);
  say('Asking for the camera ...');
  let stream;
  try {
    if (!navigator.mediaDevices) throw new Error('this page was not loaded by https');
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: MOST.camera }, facingMode: 'user' } });
  } catch (error) {
    say(REFUSED[error.name] ?? `The camera could not be used: ${error.message}.`);
    return;
  }
  if (mine !== asked) { // something else was asked for in the meantime
    stream.getTracks().forEach((track) => track.stop());
    return;
  }
  camera = stream;
  stream.getVideoTracks()[0].addEventListener('ended', stopCamera); // unplugged
  at('camera').textContent = 'Stop the camera';
  at('camera').setAttribute('aria-pressed', 'true');
  at('video').srcObject = stream;
  await at('video').play().catch(() => {}); // it was stopped at once
  await watch(stream);
}

/** Answer frame after frame until the camera stops. */
async function watch(stream) {
  const video = at('video');
  let times = [];
  let spoken = 0;
  while (camera === stream) {
    draw(video, video.videoWidth, video.videoHeight, MOST.camera, true);
    const result = await look(SIZES.camera);
    if (camera !== stream) return;
    times = [...times, performance.now()].slice(-20);
    show(result, times.length > 1 && (1000 * (times.length - 1)) / (times.at(-1) - times[0]));
    if (performance.now() - spoken > SPOKEN) {
      say(result.faces.length ? sentence(result.faces) : 'The camera runs; no face is seen.');
      spoken = performance.now();
    }
    await new Promise(requestAnimationFrame);
  }
}

function stopCamera() {
  if (!camera) return;
  camera.getTracks().forEach((track) => track.stop());
  camera = null;
  at('video').srcObject = null;
  at('camera').textContent = 'Use the camera';
  at('camera').setAttribute('aria-pressed', 'false');
  say('The camera is off.');
}

function ready() {
  say('Ready. Choose a picture, or use the camera.');
  at('progress').hidden = true;
  document.querySelectorAll('#try-it :disabled').forEach((control) => { control.disabled = false; });
  at('file').addEventListener('change', ({ target }) => {
    if (target.files.length) answerFile(target.files[0]);
    target.value = ''; // the same file may be chosen again
  });
  at('camera').addEventListener('click', () => (camera ? stopCamera() : startCamera()));
  document.querySelectorAll('.try-example').forEach((button) => {
    const image = document.getElementById(button.dataset.image);
    button.addEventListener('click', () => answerPicture(image, image.naturalWidth, image.naturalHeight));
  });
}

async function load() {
  say(`Loading the network and what it runs on, ${Math.round(settings.bytes / 1e6)} MB ...`);
  at('progress').hidden = false;
  const bytes = fetcher(FOLDER, (come) => { at('progress').value = come / settings.followed; });
  try {
    await Promise.all([loadNetwork(bytes), loadFinder(FOLDER)]);
    await findFaces(at('face').content.querySelector('canvas'), SIZES.camera); // the first time takes longer
    await Promise.all([...document.querySelectorAll('#try-it img')].map((image) => image.decode()));
  } catch (error) {
    at('progress').hidden = true;
    say(`The network could not be loaded (${error.message}). Reload the page to try again.`);
    return;
  }
  ready();
}

load();
