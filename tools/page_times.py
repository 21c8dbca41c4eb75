"""Time the page "Try it" in Chromium: ``python tools/page_times.py``, on an idle machine.

Builds only this page and lets it predict each of its two pictures many times. Writes the medians of the times that the
page shows, for finding the faces and for the network's prediction, to outputs/reference/try/times.json.
"""

import json
import re
import tempfile
from pathlib import Path

import numpy as np
from circumstances import circumstances
from playwright.sync_api import sync_playwright
from website import __main__ as website
from website import serving, try_page

from fer_utils import recognize, runs

ROUNDS = 20  # after a first one that is not timed
STATE = "document.getElementById('try-state').textContent.startsWith('{}')"
WRITTEN = runs.PROJECT_ROOT / "outputs/reference/try/times.json"


def median_times(page, button):
    """Return the median milliseconds for one picture of the page: [to find the faces, to predict]."""
    times = []
    for _ in range(ROUNDS + 1):
        page.evaluate("document.getElementById('try-state').textContent = ''")
        page.locator(button).click()
        page.wait_for_function(STATE.format("One face"))
        text = page.locator("#try-times").text_content()
        times.append([float(number.replace(",", "")) for number in re.findall(r"([\d.,]+) ms", text)])
    return np.median(times[1:], axis=0).tolist()


def main():
    texts = {try_page.PAGE: (website.ROOT / try_page.PAGE).read_text(encoding="utf-8")}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        website.build(Path(folder), try_page.with_panel(texts), {}, try_page.files())
        with serving.served(Path(folder) / "html") as address:
            browser = playwright.chromium.launch(executable_path=serving.CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{address}docs/try-it.html")
            page.wait_for_function(STATE.format("Ready"), timeout=120_000)
            found = {name: median_times(page, f"[data-image=try-{name}]") for name in ("drawn", "astronaut")}
            facts = {**circumstances(network=recognize.facts()["run"]), "chromium": browser.version, "rounds": ROUNDS}
            browser.close()
    facts |= {name: dict(zip(("faces_ms", "network_ms"), times, strict=True)) for name, times in found.items()}
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(WRITTEN, facts)
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
