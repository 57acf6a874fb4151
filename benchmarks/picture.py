"""The README's moving picture: Home's brush over the noise, filmed from a running app by its own clock.

python benchmarks/picture.py http://localhost:8501
"""

import io
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

from eiwflow import project

FRAMES, FRAME_MS, REST_MS = 50, 132, 1500
SIZE, WIDTH = (1400, 700), 580


def main(address: str) -> None:
    """Film it and write the picture."""
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(args=["--no-sandbox"]).new_page(color_scheme="light")
        page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
        page.route("**/static/js/index.*", lambda route: route.abort())  # the flow alone, without the app
        page.clock.install(time=0)
        page.clock.pause_at(1)
        page.goto(address, wait_until="commit")
        page.locator("[data-lesson=bits]", has_text=".").wait_for()
        stage, frames = page.locator("[data-lesson=stage]"), []
        for _ in range(FRAMES):
            page.clock.run_for(FRAME_MS)
            shot = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
            frames.append(shot.resize((WIDTH, round(shot.height * WIDTH / shot.width)), Image.Resampling.LANCZOS))
    frames[0].save(
        project.ASSETS / "lesson.webp",
        save_all=True,
        append_images=frames[1:],
        duration=[FRAME_MS] * (FRAMES - 1) + [REST_MS],
        loop=0,
        quality=45,
        method=6,
    )


if __name__ == "__main__":
    main(sys.argv[1])
