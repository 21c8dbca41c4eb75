// What the page shows: the picture with its frames, a card for each face, and sentences.
import { SIDE } from './faces.js';
import settings from './settings.js'; // written by the build: emotions, framing, sizes

/** An element of the panel by its name. */
export const at = (name) => document.getElementById(`try-${name}`);
export const picture = at('picture').getContext('2d', { willReadFrequently: true });

const percent = (share) => (share < 0.005 ? 'under 1 %' : `${Math.round(100 * share)} %`);
const milliseconds = (time) => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
const best = ({ probabilities }) => probabilities.indexOf(Math.max(...probabilities));

/** The sentence of the state, which screen readers read aloud. */
export function say(sentence) {
  if (at('state').textContent !== sentence) at('state').textContent = sentence;
}

/** Put a picture of any size onto the canvas, no larger than `most` on its longest side. */
export function draw(source, width, height, most, mirrored) {
  const scale = Math.min(1, most / Math.max(width, height));
  const { canvas } = picture;
  canvas.width = Math.max(1, Math.round(width * scale)); // also empties it
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.hidden = false;
  picture.fillStyle = 'white'; // below what is transparent
  picture.fillRect(0, 0, canvas.width, canvas.height);
  picture.imageSmoothingQuality = 'high';
  if (mirrored) picture.setTransform(-1, 0, 0, 1, canvas.width, 0);
  picture.drawImage(source, 0, 0, canvas.width, canvas.height);
  picture.resetTransform();
}

/** Show what was found, with its times; frames: a second, of a camera. */
export function show({ faces, finding, answering }, frames) {
  window.lastFaces = faces; // for whoever looks behind the page, as its tests do
  faces.forEach(outline);
  at('faces').replaceChildren(...faces.map(card));
  const times = [`Finding faces: ${milliseconds(finding)}.`];
  if (faces.length) times.push(`The network: ${milliseconds(answering / faces.length)} a face.`);
  if (frames) times.push(`${frames.toFixed(1)} frames a second.`);
  at('times').textContent = times.join(' ');
}

/** The frame of a face on the picture: a white line on a black one is seen on any ground. */
function outline({ frame: { x, y, side, angle } }, place) {
  const { width, height } = picture.canvas;
  const line = Math.max(width, height) / 300;
  picture.setTransform(Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), x, y);
  picture.font = `bold ${10 * line}px sans-serif`;
  for (const [colour, thick] of [['black', 3 * line], ['white', line]]) {
    picture.strokeStyle = picture.fillStyle = colour;
    picture.lineWidth = thick;
    picture.strokeRect(-side / 2, -side / 2, side, side);
    if (colour === 'black') picture.strokeText(place + 1, -side / 2 + 3 * line, -side / 2 + 11 * line);
    else picture.fillText(place + 1, -side / 2 + 3 * line, -side / 2 + 11 * line);
  }
  picture.resetTransform();
}

/** What the network saw of a face, and its seven answers as bars with numbers. */
function card(face, place) {
  const made = at('face').content.cloneNode(true);
  const small = made.querySelector('canvas');
  small.setAttribute('aria-label', `What the network sees of face ${place + 1}`);
  const pixels = new ImageData(SIDE, SIDE);
  face.pixels.forEach((level, i) => pixels.data.set([level, level, level, 255], 4 * i));
  small.getContext('2d').putImageData(pixels, 0, 0);
  made.querySelector('caption').textContent = `Face ${place + 1}: ${settings.emotions[best(face)]}`;
  made.querySelector('tbody').append(...face.probabilities.map((share, emotion) => {
    const row = document.createElement('tr');
    row.innerHTML = '<th scope="row"></th><td class="try-share"><span></span></td><td></td>';
    row.classList.toggle('try-best', emotion === best(face));
    row.children[0].textContent = settings.emotions[emotion];
    row.querySelector('span').style.width = `${100 * share}%`;
    row.children[2].textContent = percent(share);
    return row;
  }));
  return made;
}

/** The answers in words. */
export function sentence(faces) {
  const answers = faces.map((face) => `${settings.emotions[best(face)]}, ${percent(face.probabilities[best(face)])}`);
  if (faces.length === 1) return `One face: ${answers[0]}.`;
  return `${faces.length} faces, from left to right: ${answers.join('; ')}.`;
}
