"""The page on which anybody tries the network (tools/website/try_page), in Chromium."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from website import __main__ as website
from website import npm, serving, try_page

from fer_utils import sample
from fer_utils.names import EMOTIONS, SIDE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.slow
LOADED = 120_000  # milliseconds: a stalled page is told from a slow one, no more
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


# --- what is asked of the page ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded():
    """The files that the page loads."""
    if serving.CHROMIUM is None:
        pytest.skip("needs Chromium, which is not on this machine")
    if not try_page.NETWORK.is_file():
        pytest.skip(f"needs {try_page.NETWORK.name}, which is not there yet")
    try:
        return try_page.files()
    except npm.NpmError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def address(loaded, tmp_path_factory):
    """The page's address, in a site that has no other pages."""
    out = tmp_path_factory.mktemp("site")
    texts = {try_page.PAGE: (website.ROOT / try_page.PAGE).read_text(encoding="utf-8")}
    website.build(out, try_page.with_panel(texts), {}, loaded)
    with serving.served(out / "html") as root:
        yield f"{root}docs/try-it.html"


@pytest.fixture(scope="module")
def playwright(loaded):  # which skips first where there is no Chromium
    with sync_api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright):
    yield (chromium := playwright.chromium.launch(executable_path=serving.CHROMIUM, args=["--no-sandbox"]))
    chromium.close()


@pytest.fixture(scope="module")
def page(browser, address):
    """The page, ready; `asked` holds every request that it has made."""
    page = ready(browser, address)
    yield page
    page.close()


def ready(browser, address, **settings):
    page = browser.new_page(**settings)
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    says(page, "Ready")
    return page


def says(page, words):
    """Wait until the page's state has these words."""
    sync_api.expect(page.locator("#try-state")).to_contain_text(words, timeout=LOADED)


def choose(page, pixels, words, name="picture.png", **settings):
    """Give the page a picture, wait for its sentence, and return the faces that it found."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, name.rpartition(".")[2].replace("jpg", "jpeg"), **settings)
    page.evaluate("document.getElementById('try-state').textContent = ''")  # an earlier picture's may be the same
    page.locator("#try-file").set_input_files({"name": name, "mimeType": "image/*", "buffer": stream.getvalue()})
    says(page, words)
    return faces(page)


def faces(page):
    """What was found last, framed faces and answers as arrays."""
    found = page.evaluate("window.lastFaces.map((face) => ({...face, pixels: Array.from(face.pixels)}))")
    for face in found:
        face["pixels"] = np.array(face["pixels"], np.uint8).reshape(SIDE, SIDE)
        face["probabilities"] = np.array(face["probabilities"])
    return found


def session():
    runtime = pytest.importorskip("onnxruntime")
    return runtime.InferenceSession(try_page.NETWORK)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_the_astronaut_is_one_face_with_the_answer_that_python_gives(page):
    (face,) = choose(page, astronaut(), "One face: ")
    assert face["probabilities"].sum() == pytest.approx(1, abs=1e-5)
    (answer,) = session().run(["probabilities"], {"image": face["pixels"][None]})
    assert face["probabilities"] == pytest.approx(answer[0], abs=1e-3)
    best = EMOTIONS[int(answer[0].argmax())]
    assert f"One face: {best}, {100 * answer[0].max():.0f} %" in page.locator("#try-state").inner_text()
    rows = [row.split() for row in page.locator(".try-face tbody tr").all_inner_texts()]
    assert [row[0] for row in rows] == list(EMOTIONS)
    assert page.locator(".try-best th").inner_text() == best


def test_the_astronauts_frame_is_the_one_that_python_cuts(page):
    from fer_utils.recognize import detection, framing  # takes a while

    (face,) = choose(page, astronaut(), "One face: ")
    (left, upper), (right, lower) = face["eyes"]
    assert 150 < left < right < 290 and 80 < upper < 180 and 80 < lower < 180  # her eyes
    found = detection.Face(*face["box"].values(), face["eyes"], face["score"])
    measured = json.loads(try_page.FRAMING.read_text(encoding="utf-8"))
    cut = framing.frame(astronaut(), found, measured["margin"], measured["eyes"])
    apart = np.abs(cut.astype(int) - face["pixels"])
    assert apart.mean() < 0.5 and apart.max() <= 3


def test_a_drawn_face_is_found_by_its_button(page):
    page.get_by_role("button", name="A drawn face").click()
    says(page, "One face: ")
    assert len(faces(page)) == 1


def test_a_tilted_face_is_turned_upright(page):
    (upright,) = choose(page, astronaut(), "One face: ")
    turned = np.asarray(Image.fromarray(astronaut()).rotate(15, Image.Resampling.BICUBIC))
    (face,) = choose(page, turned, "One face: ")
    assert face["frame"]["angle"] - upright["frame"]["angle"] == pytest.approx(-np.radians(15), abs=0.06)
    assert np.corrcoef(face["pixels"].ravel(), upright["pixels"].ravel())[0, 1] > 0.8


def test_several_faces_are_told_from_left_to_right(page):
    both = np.hstack([astronaut(), sample_face()])
    found = choose(page, both, "2 faces, from left to right: ")
    assert [face["box"]["x"] < 512 for face in found] == [True, False]
    assert page.locator(".try-face").count() == 2


def sample_face():
    """A drawn face, uint8 (512, 512, 3)."""
    return np.repeat(np.pad(sample.draw_face({6: 0.8, 12: 1.0}, size=480), 16, mode="edge")[..., None], 3, axis=2)


def test_a_picture_without_a_face_says_so(page):
    assert choose(page, np.full((300, 400, 3), 128, np.uint8), "No face was found.") == []
    assert page.locator(".try-face").count() == 0


def test_a_photo_that_was_taken_sideways_is_upright(page):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    assert len(choose(page, np.rot90(astronaut()), "One face: ", "sideways.jpg", exif=exif)) == 1


def test_a_very_large_picture_is_made_smaller_and_answered(page):
    large = np.asarray(Image.fromarray(astronaut()).resize((6000, 6000)))
    assert len(choose(page, large, "made smaller, from 6000 × 6000", "large.jpg")) == 1


def test_a_file_that_is_no_picture_is_refused_by_its_name(page):
    page.locator("#try-file").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    says(page, "notes.txt is no picture that this browser can read")


def test_a_file_that_is_read_slowly_does_not_replace_what_was_asked_for_after_it(browser, address):
    page = ready(browser, address)
    slowly = "const read = createImageBitmap; const wait = (time) => new Promise((done) => setTimeout(done, time));"
    slowly += "window.createImageBitmap = async (...given) => { await wait(2000); return read(...given); };"
    page.evaluate(f"() => {{ {slowly} }}")
    empty = try_page.picture(np.full((300, 400, 3), 128, np.uint8), "PNG")
    page.locator("#try-file").set_input_files({"name": "large.png", "mimeType": "image/png", "buffer": empty})
    page.get_by_role("button", name="A drawn face").click()
    says(page, "One face: ")
    page.wait_for_timeout(4000)  # until the file is read
    says(page, "One face: ")
    assert page.locator(".try-face").count() == 1
    page.close()


def test_after_loading_there_is_no_request(browser, address):
    page = ready(browser, address)
    before = list(page.asked)
    own = address.partition("/docs")[0]
    assert all(url.startswith((own, "data:")) for url in before) and len(before) > 5
    choose(page, astronaut(), "One face: ")
    page.get_by_role("button", name="A drawn face").click()
    page.get_by_role("button", name="An astronaut").click()
    says(page, "One face: ")
    assert page.asked == before and not page.errors
    page.close()


# --- the camera -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of one frame, the astronaut, for Chromium's fake camera: a JPEG is a film in MJPEG."""
    path = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    Image.fromarray(astronaut()).resize((480, 480)).save(path, "JPEG")
    return path


def camera_page(playwright, address, *options):
    """A page of a browser that was started with options of its own."""
    args = ["--no-sandbox", *options]
    return ready(playwright.chromium.launch(executable_path=serving.CHROMIUM, args=args), address)


def test_the_camera_shows_faces_and_frames_a_second_until_it_is_stopped(playwright, address, film):
    page = camera_page(playwright, address, *FAKE_CAMERA, f"--use-file-for-fake-video-capture={film}")
    before = list(page.asked)
    button = page.locator("#try-camera")
    button.focus()
    page.keyboard.press("Enter")
    says(page, "One face: ")
    sync_api.expect(page.locator("#try-times")).to_contain_text("frames a second", timeout=LOADED)
    assert button.get_attribute("aria-pressed") == "true"
    stream = page.evaluate_handle("document.getElementById('try-video').srcObject")
    button.click()
    says(page, "The camera is off.")
    assert stream.evaluate("(stream) => stream.getTracks().map((track) => track.readyState)") == ["ended"]
    assert page.asked == before and not page.errors
    page.context.browser.close()


def test_a_refused_camera_and_none_at_all_have_their_sentences(playwright, browser, address):
    refused = camera_page(playwright, address, "--use-fake-device-for-media-stream", "--deny-permission-prompts")
    refused.locator("#try-camera").click()
    says(refused, "The camera was refused.")
    refused.context.browser.close()
    without = ready(browser, address, permissions=["camera"])
    without.locator("#try-camera").click()
    says(without, "There is no camera on this device.")
    without.close()


# --- for everybody ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_answers_without_scrolling_sideways_and_axe_finds_no_barrier(browser, address, scheme):
    page = ready(browser, address, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    choose(page, np.hstack([astronaut(), sample_face()]), "2 faces")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.evaluate(npm.read("axe-core@4.14.1", ["axe.min.js"])["axe.min.js"].decode())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)")
    barriers = [
        (fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")
    ]
    assert not barriers
    page.close()


# --- where something is missing ---------------------------------------------------------------------------------------


def test_without_npm_the_page_says_what_would_help(monkeypatch, tmp_path):
    monkeypatch.setattr(npm, "KEPT", tmp_path / "npm")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(npm.NpmError, match="npm is not on this machine.*Install Node.js") as raised:
        try_page.files()
    texts = {try_page.PAGE: (website.ROOT / try_page.PAGE).read_text(encoding="utf-8")}
    text = try_page.without_panel(texts, raised.value)[try_page.PAGE]
    assert "Nothing can be tried on this copy of the site: npm is not on this machine" in text
    assert "make site" in text and "<div" not in text


def test_another_package_than_the_pinned_one_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(npm, "KEPT", tmp_path)
    (tmp_path / "axe-core-4.14.1.tgz").write_bytes(b"something else")
    with pytest.raises(npm.NpmError, match="is not the axe-core@4.14.1 that was pinned. Delete it"):
        npm.read("axe-core@4.14.1", ["axe.min.js"])


def test_the_page_says_what_was_timed():
    times = json.loads((website.ROOT / "outputs/reference/try/times.json").read_text(encoding="utf-8"))
    text = (website.ROOT / try_page.PAGE).read_text(encoding="utf-8")
    for of, words in (
        ("faces_ms", "- {} to {} ms until the face is found"),
        ("network_ms", "- then {} to {} ms until"),
    ):
        least, most = sorted(times[picture][of] for picture in ("drawn", "astronaut"))
        assert words.format(*(int(time + 0.5) for time in (least, most))) in " ".join(text.split())
    assert f"medians of {times['rounds']} predictions" in text and f"Chromium {times['chromium'].split('.')[0]}" in text
