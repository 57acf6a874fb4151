"""The lesson in a real browser: every scene does what is asked of it, from the app's server and from one file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import combinations, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from eiwflow import checkpoint, data, project
from eiwflow.flow import to_bits_per_dim
from eiwflow.lesson import MAX_BYTES, build, default, homework, one_file
from eiwflow.lesson.pack import opened
from eiwflow.study.file import bundled
from eiwflow.study.ladder import by_set, ladders

from .. import LONG
from ..lesson import stated
from . import accessibility
from .conftest import PATIENCE_MS, Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def lesson_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lesson") / "lesson.html"
    path.write_bytes(one_file(default.pack()))
    return path


class Tab:
    """A tab with the lesson; a scene that was not shown since it was loaded is reached by the menu, as is quicker."""

    def __init__(self, context: BrowserContext, file: str) -> None:
        self.watched, self.file = Watched(context.new_page(), ""), file
        self.page, self.seen = self.watched.page, set[int]()
        self.page.set_default_timeout(PATIENCE_MS)

    def show(self, number: int, choice: str) -> None:
        if choice or number in self.seen or not self.seen:
            self.seen.clear()
            self.page.goto(f"{self.file}?scene={number}" + (f"&choice={choice}" if choice else ""))
            self.page.wait_for_selector("[data-lesson=stage]")
        else:
            if (first := self.page.locator(".thumb").first).get_attribute("aria-pressed") == "false":
                first.evaluate("button => button.click()")
            place = 2 + [*range(1, 14), 15].index(number)  # behind the choice of all scenes or ten minutes
            self.page.locator(".menu-list button").nth(place).evaluate("button => button.click()")
        self.seen.add(number)


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[dict[str, Tab]]:
    """Return the tabs of this file's tests, each in a window of its own: those of one window follow each other."""
    opened: dict[str, Tab] = {}
    yield opened
    for tab in opened.values():
        tab.page.context.close()


@pytest.fixture
def scene(browser: Browser, lesson_file: Path, tabs: dict[str, Tab]) -> Iterator[Open]:
    """Return a function that opens a scene of the lesson in one file; whatever goes wrong fails the test."""

    def open_scene(number: int, size: tuple[int, int] = (1280, 720), choice: str = "", **settings: Any) -> Page:
        if (kind := repr(settings)) not in tabs:
            tabs[kind] = Tab(browser.new_context(**settings), lesson_file.as_uri())
        tabs[kind].page.set_viewport_size({"width": size[0], "height": size[1]})
        tabs[kind].show(number, choice)
        return tabs[kind].page

    yield open_scene
    complaints = [one for tab in tabs.values() for one in tab.watched.complaints]
    for tab in tabs.values():
        tab.watched.complaints.clear()
    assert [one for one in complaints if not one.startswith("request to another host: file:")] == []


def sentence(page: Page) -> str:
    """Return the scene's sentence, which is short enough to be read from the last row."""
    said = page.locator("[data-lesson=sentence]", has_text=re.compile(r"\w"))  # a slow machine says it a moment later
    said.wait_for()
    text = said.inner_text()
    assert 3 <= len(text.split()) <= 15, text
    return text


def wait_for(page: Page, text: str) -> None:
    page.locator("[data-lesson=sentence]", has_text=text).wait_for()
    sentence(page)


def canvas(page: Page, selector: str) -> str:
    """Return what a canvas shows, as text."""
    return page.locator(selector).first.evaluate("c => c.toDataURL()")


def move(page: Page, label: str, value: float) -> None:
    page.get_by_label(label, exact=True).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )


#: Notes from now on what a canvas writes, its rectangles, how opaque they are, and the size of pictures that it draws.
WATCHED = """() => { const drawn = CanvasRenderingContext2D.prototype, { fillText, fillRect, drawImage } = drawn;
    const seen = window.written; window.written = []; window.pictures = []; window.opacities = [];
    window.rectangles = [];
    if (seen) return;  // it notes already
    drawn.fillText = function (text, ...at) { written.push(String(text)); return fillText.call(this, text, ...at); };
    drawn.fillRect = function (...box) {
        opacities.push(this.globalAlpha); rectangles.push(box); return fillRect.apply(this, box); };
    drawn.drawImage = function (image, ...box) {
        pictures.push(`${image.width}×${image.height}`); return drawImage.call(this, image, ...box); }; }"""


def test_the_file_is_small_enough(lesson_file: Path) -> None:
    assert lesson_file.stat().st_size <= MAX_BYTES


@pytest.mark.slow
def test_the_picture_comes_back_without_a_changed_value(scene: Open) -> None:
    from playwright.sync_api import expect

    page = scene(1)
    said = page.locator("[data-lesson=sentence]")
    expect(said).not_to_have_text(sentence(page), timeout=PATIENCE_MS)  # it moves by itself
    move(page, "Time", 1000)
    wait_for(page, "0 of 768 values differ")


def test_a_pixel_is_found_again_after_the_squeeze(scene: Open) -> None:
    page = scene(2)
    before = canvas(page, ".room canvas")
    move(page, "Squeeze", 1)
    wait_for(page, "8×8×12")
    assert canvas(page, ".room canvas") != before
    page.locator(".original").hover(position={"x": 5, "y": 5})
    wait_for(page, "Pixel (1, 1) went to channels 1, 5, 9.")


@pytest.mark.slow
def test_the_prediction_is_taken_away_and_added_again(scene: Open) -> None:
    page = scene(3)
    move(page, "Subtract, then add", 0)
    before = canvas(page, ".half:last-child canvas")
    move(page, "Subtract, then add", 1)
    wait_for(page, "The prediction removes")
    assert canvas(page, ".half:last-child canvas") != before
    here = int(re.findall(r"removes (\d+)", sentence(page))[0])
    assert 0 < here < 100
    for fact in (
        "mixed, initially by a rotation to principal components, which can be undone",
        "Couplings also scale what is left",
    ):
        assert fact in page.locator(".caption").inner_text()
    move(page, "Subtract, then add", 0.5)
    wait_for(page, "50 % of the prediction removes")
    move(page, "Subtract, then add", 2)
    wait_for(page, "Add the prediction again: 0 of 768 values differ.")
    assert canvas(page, ".half:last-child canvas") == before
    page.locator(".thumb").nth(1).click()
    move(page, "Subtract, then add", 1)
    assert int(re.findall(r"removes (\d+)", sentence(page))[0]) != here


def first_face_in_torch() -> float:
    """Return the bits a value of the lesson's first picture, worked out by torch."""
    flow = checkpoint.load(project.CHECKPOINTS / f"{default.FLOW}.safetensors").flow
    face = data.to_tensor(data.load("faces16").test)[default.SHOWN[0]]
    return float(to_bits_per_dim(flow.log_prob(build.at_bin_centres(face[None])), flow.config.dimensions))


@pytest.mark.slow
def test_bits_are_counted_in_three_beats(scene: Open) -> None:
    page = scene(4, reduced_motion="reduce")
    wait_for(page, "area 2.0")
    page.get_by_role("button", name="Count the stretching").click()
    wait_for(page, "every value costs 1.0 bits more")
    move(page, "Stretch", -1)
    wait_for(page, "every value costs 1.0 bits less")
    page.keyboard.press("ArrowRight")  # a beat, not a scene
    wait_for(page, "a blind guess needs 8")  # the value that is shown first is a usual one, and is cheap
    assert f"on average {stated.usual_bits():.1f} bits" in page.locator(".caption").inner_text()
    assert "scene=4" in page.url and "choice=2" in page.url
    dearest, bits = "", []
    for value in (0, 100, 160, 255):
        move(page, "Value", value)
        said = r"Blue (\d+): noise (-?[\d.]+) \+ stretching (-?[\d.]+) = ([\d.]+) bits"
        shown, noise, stretching, dearest = re.findall(said, sentence(page).replace("−", "-"))[0]
        assert int(shown) == value and float(noise) + float(stretching) == pytest.approx(float(dearest))
        bits.append(float(dearest))
        assert ("rare values need over 8" in sentence(page)) == (bits[-1] > 8)
    assert min(bits) == bits[2] < 8 < max(bits)
    before, box = canvas(page, ".fill"), page.locator(".fill").bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 0.7 * box["height"])
    page.mouse.down()
    assert canvas(page, ".fill") != before and not sentence(page).startswith("Blue 255")
    page.mouse.up()
    page.evaluate(WATCHED)
    page.get_by_role("button", name="3 All values").click()
    # After a level the halves stand as scene 1 shows them: six of twelve maps of 8×8 to the left, six to the right.
    assert page.evaluate("pictures.slice(-4)") == ["16×16", *["32×24"] * 3]
    totals = []
    for level in range(4):
        move(page, "Levels", level)
        totals.append(float(re.findall(r"[\d.]+(?= bits)", sentence(page))[0]))
    assert totals[0] == 8 and totals == sorted(totals, reverse=True)
    wait_for(page, f" = {first_face_in_torch():.1f} bits per value; blind guess 8.")
    noise, stretching = re.findall(r"This face: noise ([\d.]+) \+ stretching ([\d.]+) =", sentence(page))[0]
    assert float(noise) + float(stretching) == pytest.approx(totals[-1])
    assert "Training minimises exactly this sum" in page.locator(".caption").inner_text()
    page.keyboard.press("ArrowRight")  # the last beat is over
    page.locator("h1", has_text="Half leaves early").wait_for()


@pytest.mark.slow
def test_a_half_is_ranked_among_all_and_the_flows_choice_shown(scene: Open) -> None:
    page = scene(5)
    before = canvas(page, ".big canvas")
    assert page.get_by_role("button", name="The flow’s choice").is_disabled()
    page.locator(".cards:not(.bin) .card").first.drag_to(page.locator(".bin"))
    wait_for(page, "Five more must go")
    assert canvas(page, ".big canvas") != before
    page.locator(".cards:not(.bin) .card").first.focus()
    for _ in range(5):
        page.keyboard.press("Enter")  # the focus goes to the next card
    wait_for(page, "of 924")
    assert "choice=m" in page.url
    page.get_by_role("button", name="The flow’s choice").click()
    page.locator("[data-lesson=sentence]", has_text="the flow’s").wait_for()
    own, flow = re.findall(r"[Yy]ours (?:ranks )?(\d+)\w+, the flow’s (\d+)", sentence(page))[0]
    ends = page.locator(".ends > span").all_inner_texts()
    best = float(re.findall(r"1st: error ([\d.]+) of 255", ends[0])[0])
    assert ends[1] == "last of 924"
    median, usual = re.findall(r"Median ((\d+)\w+), chance 462nd", page.locator(".beside").inner_text())[0]
    assert 1 < int(flow) < 924 and 1 < int(usual) < 462
    # Where a visitor beats the flow, its median over many pictures leads: it chose for all of them.
    leads = sentence(page).startswith(f"Median of 50 pictures: flow’s half {median}. Here yours")
    assert leads == (int(own) < int(flow))
    yours, flows = page.locator(".rank-marks span").all_inner_texts()  # both stay, to be compared
    assert yours.startswith("yours") and re.findall(r"flow’s (\w+)", sentence(page))[0] in flows
    assert best <= min(float(re.findall(r", error ([\d.]+)", each)[0]) for each in (yours, flows))
    assert flows.endswith(f", error {stated.half_off():.1f}")
    page.get_by_role("button", name="Start over").click()
    wait_for(page, "A test: throw six of the twelve channels away")


def test_cards_slide_and_structure_lands_to_the_left(scene: Open) -> None:
    page = scene(6)
    page.evaluate(WATCHED)
    move(page, "Flow’s order", 0)
    before, written = canvas(page, ".scene-6 canvas"), page.evaluate("written")
    move(page, "Flow’s order", 1)
    wait_for(page, "of structure is passed on")
    assert page.locator("h1").inner_text() == "Sort by entropy: most structure goes left."
    assert "Sorted on one batch" in page.locator(".caption").inner_text()  # so bars need not descend
    head, _ = opened(default.pack())
    structure, order = np.maximum(head["before"]["redundancy"], 0), head["flow"]["levels"][0]["order"]
    held, most = structure[order[: head["flow"]["levels"][0]["kept"]]].sum(), np.sort(structure)[-6:].sum()
    bits = max(structure.max(), *head["flow"]["redundancy"]) / math.log(2)
    highest = max(float(text) for text in written if re.fullmatch(r"\d\.\d", text))  # of the axis
    assert 0.3 < bits * math.log(2) < highest <= bits < highest + 0.2
    before_training, best = (int(n) for n in re.findall(r"\d+", sentence(page)))
    assert [before_training, best] == [round(100 * part / structure.sum()) for part in (held, most)]
    assert 50 < before_training < 100
    assert canvas(page, ".scene-6 canvas") != before
    page.get_by_role("button", name="after training").click()
    wait_for(page, "Training moved structure ")
    after, again = (int(n) for n in re.findall(r"\d+", sentence(page)))
    assert again == before_training and 50 < after < 100 and (after > again) == ("structure left" in sentence(page))
    assert "choice=after" in page.url
    assert "Sorted before training, drawn after it." in page.locator(".caption").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_no_card_covers_another_on_its_way(scene: Open, size: tuple[int, int]) -> None:
    page = scene(6, size, reduced_motion="reduce")
    page.evaluate(
        """() => { const drawn = CanvasRenderingContext2D.prototype, draw = drawn.drawImage; window.boxes = [];
        drawn.drawImage = function (image, ...box) { boxes.push(box); return draw.call(this, image, ...box); }; }"""
    )
    for part in range(0, 101, 5):
        page.evaluate("boxes.length = 0")
        move(page, "Flow’s order", part / 100)
        boxes = page.evaluate("boxes")
        drawings = [boxes[start : start + 12] for start in range(0, len(boxes), 12)]
        assert drawings and len(drawings[-1]) == 12  # a sentence of more lines draws once more, at another size
        for drawing in drawings:
            for (x, y, w, h), (u, v, a, b) in combinations(drawing, 2):
                assert x + w <= u + 0.01 or u + a <= x + 0.01 or y + h <= v + 0.01 or v + b <= y + 0.01, part


@pytest.mark.slow
def test_the_river_flows_and_the_samples_follow(scene: Open) -> None:
    page = scene(7, choice="0")
    wait_for(page, "Step 0:")
    wait_for(page, "by chance 3.")
    before, first = canvas(page, ".room canvas"), page.locator(".river img").get_attribute("src")
    last = int(page.get_by_label("Training", exact=True).get_attribute("max") or 0)
    river = opened(default.pack())[0]["rivers"][0]
    ranks = {f"step {step:,}": row for step, row in zip(river["steps"], river["ranks"], strict=True)}
    for stop in range(last + 1):
        move(page, "Training", stop)
        step = page.get_by_label("Training", exact=True).get_attribute("aria-valuetext")
        assert page.locator(".river figcaption").inner_text() == f"samples, {step}"  # of the step that is shown
        above = sum(rank < 6 for rank, kept in zip(ranks[step], river["kept"], strict=True) if kept)
        assert stop == last or sentence(page).startswith(f"S{step[1:]}: {above} of 6 blue lines in the upper half")
    assert canvas(page, ".room canvas") != before and page.locator(".river img").get_attribute("src") != first
    assert step == "step 3,000"


def test_another_recording_has_its_own_measured_headline(scene: Open) -> None:
    page = scene(7, reduced_motion="reduce")
    wait_for(page, "On average")
    assert "The wrong half, on purpose" in page.locator("h1").inner_text()
    names = page.get_by_role("group", name="Recording").get_by_role("button")
    said = r"On average ([\d.]+) of 6 blue lines start above, ([\d.]+) end above; cost: ([\d.]+) bits\."
    for button in names.all():
        button.click()
        before, after, cost = (float(number) for number in re.findall(said, sentence(page))[0])
        assert before < after < 6 and 0 < cost < 1
        low, high = (
            float(end)
            for end in re.findall(r"95 % interval (\d\.\d+) to (\d\.\d+)", page.locator(".caption").inner_text())[0]
        )
        assert low <= cost <= high
        assert page.locator(".caption", has_text="the six of least variance (scene 13: of most)").is_visible()
        trained = (page.get_by_label("Training", exact=True).get_attribute("aria-valuetext") or "").removeprefix(
            "step "
        )
        measured = f"after 500 steps (95 % interval {low:.2f} to {high:.2f}); the samples are of {trained}."
        assert page.locator(".caption").inner_text().endswith(measured)
    assert names.count() > 1 and "choice=r" in page.url


@pytest.mark.slow
def test_pictures_are_scored_once_a_guess_is_made(scene: Open) -> None:
    page = scene(12)
    wait_for(page, "Which of these")
    assert page.locator(".bits").all_inner_texts() == [""] * 5
    page.get_by_role("button", name="flat grey").click()
    wait_for(page, "flat grey needs")
    assert f"this picture {first_face_in_torch():.1f}:" in sentence(page)  # as in scene 4
    page.get_by_text("of the 8 pictures below").wait_for()
    bits = dict(
        zip(
            page.locator(".kind > span:first-of-type").all_inner_texts(),
            [text.partition(",")[0] for text in page.locator(".bits").all_inner_texts()],
            strict=True,
        )
    )
    assert float(bits["pure noise"]) > float(bits["this picture"]) > 0
    likeliest = page.locator(".kind", has=page.locator(".bits", has_text="likeliest"))
    best = likeliest.locator("> span").first.inner_text()
    assert bits[best] == min(bits.values(), key=float)
    assert sentence(page).startswith("Right guess: " if best == "flat grey" else "Wrong guess: ")
    page.get_by_role("button", name="pure noise").click()
    wait_for(page, "Wrong guess: ")
    stage = "document.getElementById('lesson').shadowRoot"
    for width, height in ((390, 844), (1280, 720)):  # bars of one scale, also where a name takes two lines
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(f"{stage}.getAnimations().every(each => !(each instanceof CSSTransition))")
        bars = [box for bar in page.locator(".amount").all() if (box := bar.bounding_box())]
        scale = [bar["height"] / float(needed) for bar, needed in zip(bars, bits.values(), strict=True)]
        assert max(scale) < 1.05 * min(scale)
        guess = [box["y"] for line in page.locator(".blind").all() if (box := line.bounding_box())]
        assert max(guess) - min(guess) < 1
        foot = bars[0]["y"] + bars[0]["height"]
        assert foot - guess[0] == pytest.approx(8 * scale[0], rel=0.05)
    first = page.locator(".bits").first.inner_text()
    page.locator(".thumb").nth(2).click()  # the guess stands, the numbers are those of another picture
    number = "document.getElementById('lesson').shadowRoot.querySelector('.bits').textContent"
    page.wait_for_function(f"first => ![first, ''].includes({number})", arg=first)


@pytest.mark.slow
def test_the_weights_answer_after_a_guess(scene: Open) -> None:
    page = scene(8)
    assert page.get_by_label("Grain", exact=True).is_disabled()
    before = canvas(page, ".room canvas")
    page.get_by_role("button", name="does not care").click()
    wait_for(page, "frozen weights")
    assert canvas(page, ".room canvas") != before
    said = r"No: with grain it listens (\d+) % (more|less); frozen weights cost (\d\.\d\d) bits per value\."
    found = re.fullmatch(said, sentence(page))
    assert found and int(found[1]) >= 1
    grown = stated.noise_grown()
    for fact in ("The half that does not change gives the weights: the way back finds the same.", "without retraining"):
        assert fact in page.locator(".caption").inner_text()
    why = f"they leave its noise {abs(grown):.0f} % {'weaker' if grown < 0 else 'stronger'}."
    assert page.locator(".caption").inner_text().endswith(why)
    assert f"rises in {stated.risen()} of {build.AVERAGED} test pictures" in page.locator(".caption").inner_text()
    page.evaluate(WATCHED)
    move(page, "Grain", 11.9)
    move(page, "Grain", 12)
    grain = math.hypot(12, opened(default.pack())[0]["images"][0]["grain"])  # its own, known grain is independent
    assert page.get_by_text(f"{grain:.1f} grey levels of fine noise (grain)").is_visible()
    written = page.evaluate("written")  # the answer is in the picture, too, and twelve are told from six
    assert {f"mean {'+' if found[2] == 'more' else '−'}{found[1]} %", "it reads 6 channels"} <= set(written)
    assert {"it gives 6 scales", "and 6 shifts"} <= set(written)
    wait_for(page, "frozen weights")
    # Averages of other pictures cost this one bits, and no more than a tenth of what it takes.
    assert 0 < float(found[3]) < 0.5
    page.get_by_role("button", name=f"listens {found[2]}").click()
    wait_for(page, f"Yes: with grain it listens {found[1]} % {found[2]}")


def test_the_more_is_resampled_the_further_the_picture(scene: Open) -> None:
    page, distances = scene(9), []
    faces = data.load("faces16").test[list(default.SHOWN)].astype(float)
    another = np.mean([np.sqrt(((face - faces[0]) ** 2).mean()) for face in faces[1:]])
    flow = stated.bundled().flow
    work = [
        sum(3 * 3 * layer.in_channels * layer.out_channels if layer.kernel_size == (3, 3) else layer.weight.numel()
            for step in level.steps for layer in step.coupling.network if hasattr(layer, "kernel_size"))
        * latents[1] * latents[2]
        for level, latents in zip(flow.levels, flow.latent_shapes(), strict=True)
    ]  # fmt: skip
    why = page.locator(".caption", has_text="Why several scales?").inner_text().replace("\u00a0", " ")
    assert "Detail leaves first." in why and "8 of 12 couplings" in why and "8×8 pixels" in why
    assert f"need {100 * (1 - work[0] / sum(work)):.0f} % of the multiplications" in why
    claims = {"half": "holds detail", "three quarters": "keep the gist", "everything": "and so is the face"}
    for name, claim in claims.items():
        page.get_by_role("button", name=name, exact=True).click()
        off, other = (int(n) for n in re.findall(r"error (\d+) of 255, another face (\d+)\.", sentence(page))[0])
        distances.append(off)
        assert other == round(another)
        assert (claim in sentence(page)) == (off > 0.75 * another if name == "everything" else off < another / 2)
        assert page.get_by_role("button", name=name, exact=True).get_attribute("aria-pressed") == "true"
    assert distances == sorted(distances) and distances[0] < distances[2]
    page.get_by_role("button", name="nothing", exact=True).click()
    wait_for(page, "the picture is exact")


@pytest.mark.slow
def test_each_level_is_edited_alone_and_the_one_that_tells_best_is_framed(scene: Open) -> None:
    page = scene(10, reduced_motion="reduce")
    head, _ = opened(default.pack())
    told = {one["label"]: one for one in head["attributes"] if one["metric"] == "AUROC"}
    best = max(told, key=lambda label: max(told[label]["readings"]))
    even = min(told.keys() - {best}, key=lambda label: np.ptp(told[label]["readings"]))
    chosen = page.locator("select option:checked").all_inner_texts()
    assert chosen == [best, even]
    assert np.ptp(told[best]["readings"]) > told[best]["error"] > np.ptp(told[even]["readings"])  # so it has a point
    assert "every level" in sentence(page)
    cells = page.locator(".cell")  # in each row the picture, then one of every level
    framed = [i for i in range(8) if "best" in cells.nth(i).get_attribute("class")]
    readings = [int(text) for text in page.locator(".cell b").all_inner_texts()]
    rows = readings[:3], readings[3:]
    assert framed == [1 + rows[0].index(max(rows[0]))]  # the best of its row; where the levels tie there is none
    assert "Frame: the best, unless they tie." in page.locator(".caption").inner_text()
    level, pairs, low, high = re.findall(
        r"Level (\d) tells (\d+) of 100 pairs apart by \w+, every level (\d+)–(\d+) by \w+", sentence(page)
    )[0]
    assert (int(level), int(pairs)) == (framed[0], max(rows[0]))
    assert (int(low), int(high)) == (min(rows[1]), max(rows[1]))
    before, shown = canvas(page, ".cell canvas"), ".cell.best canvas"
    assert canvas(page, shown) != before
    move(page, "Edit", 0)
    assert canvas(page, shown) == before
    skin = next(one for one in head["attributes"] if one["label"] == "Skin, lighter")["readings"]
    page.get_by_label("Attribute 1").select_option("Skin, lighter")
    wait_for(page, f"Level {1 + skin.index(max(skin))} explains {100 * max(skin):.0f}")
    page.get_by_text("how much of it the level explains").wait_for()


@pytest.mark.slow
def test_the_ladder_is_hidden_until_the_vote_and_is_that_of_the_studies(scene: Open) -> None:
    page = scene(13)
    before = canvas(page, ".room canvas")
    page.evaluate(WATCHED)
    page.set_viewport_size({"width": 1281, "height": 720})  # it is drawn anew: every rung is told before the vote
    page.wait_for_function("() => written.length > 0")
    told = page.evaluate("written")
    new = {"the last half leaves, as in the flow Glow", "channels begin as principal components"}
    assert new <= set(told)
    assert not any("saved" in text for text in told)
    page.evaluate("written.length = 0")
    page.get_by_role("button", name="half by variance").click()
    page.locator("[data-lesson=sentence]", has_text="half by variance").wait_for()
    assert canvas(page, ".room canvas") != before
    assert new <= set(page.evaluate("written"))  # a rung is explained beside its answer, too
    labels = [text for text in page.evaluate("written") if re.fullmatch(r"\d\.\d\d bits saved", text)]
    longest = sorted(ladders(bundled()).values(), key=lambda made: (len(made.rungs), made.study.recipe.iterations))
    whole = [made for made in longest if any(rung.name == "principal start" for rung in made.rungs)]
    ours = {made.study.recipe.data_name: made for made in whole}
    first = [rung.saved.lead for rung in ours[min(ours)].rungs if rung.saved]
    assert labels[-len(first) :] == [f"{lead:.2f} bits saved" for lead in first]
    for name, made in ours.items():
        page.get_by_role("button", name=re.sub(r"\d+$", "", name), exact=True).click()
        steps = {rung.name: rung.step for rung in made.rungs if rung.step is not None}
        page.evaluate("opacities.length = rectangles.length = 0")
        page.get_by_role("group", name="Your vote").get_by_role("button").first.click()  # it is drawn once
        pale = sum(opacity < 1 for opacity in page.evaluate("opacities"))
        assert pale == sum(step.claim == "no conclusion" for step in steps.values())
        # Of a rung are drawn its foot, the saving below, the step, and twice a line with two ends: the step's interval.
        of_rungs = [drawn for drawn in zip(*[iter(page.evaluate("rectangles")[-9 * len(steps) :])] * 9, strict=True)]
        zero, wide = of_rungs[0][0][0] + 2, max(drawn[6][2] for drawn in of_rungs)
        unit = wide / max(step.lead_interval[1] - step.lead_interval[0] for step in steps.values())
        for drawn, rung in zip(of_rungs, made.rungs[1:], strict=True):
            assert rung.saved and rung.step
            below, (low, high) = rung.saved.lead - rung.step.lead, rung.step.lead_interval
            ends = [drawn[6][0] - zero, drawn[6][0] + drawn[6][2] - zero]
            assert ends == pytest.approx([unit * (below + low), unit * (below + high)], abs=0.5)
        best = max(steps, key=lambda rung: steps[rung].lead)
        whole, longest_step = made.rungs[-1].saved, steps[best]
        assert whole is not None
        others = [step for step in steps.values() if step is not longest_step and step.lead_interval[0] > 0]
        close = [step for step in others if step.lead_interval[1] >= longest_step.lead_interval[0]]
        buttons = page.get_by_role("group", name="Your vote").get_by_role("button").all()
        assert [button.inner_text() for button in buttons] == list(steps)  # every rung can be voted on
        for button in buttons:
            button.click()
            own = steps[button.inner_text()]
            wait_for(page, f"{best} {longest_step.lead:.2f}, of" if own in close else f"{longest_step.lead:.2f} of")
            claim = re.search(rf"{best} (leads? with|buys? most,) ", sentence(page))
            if own in close:
                assert claim is None  # too close: both are named, none is said to buy most
                assert re.search(rf"^Close: on \w+, {button.inner_text()} buys? {own.lead:.2f}, ", sentence(page))
            else:
                verdict = "Not quite" if own is not longest_step else "Right, but close" if close else "Right"
                assert claim and claim[1].startswith("lead" if close else "buy")
                assert sentence(page).startswith(f"{verdict}: on ")
            assert sentence(page).endswith(f" of {whole.lead:.2f} bits.")
    assert len(ours) > 1


@pytest.mark.slow
def test_a_click_draws_new_faces_and_a_temperature_changes_them(scene: Open) -> None:
    page = scene(11)
    first = canvas(page, ".wall canvas")
    page.get_by_role("button", name="New faces").click()
    wall = "document.getElementById('lesson').shadowRoot.querySelector('.wall canvas').toDataURL()"
    page.wait_for_function(f"first => {wall} !== first", arg=first)
    page.wait_for_timeout(500)  # until the last face is drawn
    second = canvas(page, ".wall canvas")
    move(page, "Level 1", 0.5)
    wait_for(page, "Level 1 at temperature 0.50: the faces differ by")
    page.wait_for_function(f"second => {wall} !== second", arg=second)
    assert len({first, second, canvas(page, ".wall canvas")}) == 3
    less, usual = (int(n) for n in re.findall(r"differ by (\d+) grey levels, before by (\d+)", sentence(page))[0])
    assert 0 < less < usual
    move(page, "Level 1", 1)
    wait_for(page, f"Level 1 at temperature 1.00: the faces differ by {usual} grey levels, before by {usual}.")
    assert canvas(page, ".wall canvas") == second


#: Scenes in a state, what is pressed or moved there, and the numbers that their sentence then states.
STATED: dict[str, tuple[int, str, tuple[str, float | None], Callable[[], list[float]]]] = {
    "3, the variance removed": (3, "1", ("", None), stated.predicted),
    "4, one value": (4, "2", ("", None), stated.one_value),
    "5, the flow's rank": (5, "m3f", ("The flow’s choice", None), stated.rank),
    "6, structure passed on": (6, "after", ("", None), stated.passed_on),
    "7, structure moved": (7, "r0.11", ("", None), stated.moved),
    "8, weights": (8, "same", ("", None), stated.weights_answer),
    "10, readings": (10, "", ("", None), stated.readings),
    "11, samples": (11, "", ("Level 3", 0.5), lambda: stated.variety(0.5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STATED)
def test_a_sentence_states_what_torch_works_out(scene: Open, name: str) -> None:
    number, choice, (control, value), work_out = STATED[name]
    page = scene(number, choice=choice, reduced_motion="reduce")
    if value is not None:
        move(page, control, value)
    elif control:
        page.get_by_role("button", name=control).click()
    numbers = work_out()
    # A scene may say at once what it will work out, and then with the numbers.
    whole = re.compile(rf"(?:\d+(?:\.\d+)?\D+){{{len(numbers)}}}")
    page.locator("[data-lesson=sentence]:not(:has-text('Ranking all'))", has_text=whole).wait_for()
    written = re.findall(r"−?\d+(?:\.\d+)?", sentence(page))
    for text, exact in zip(written[-len(numbers) :], numbers, strict=True):
        digits = len(text.partition(".")[2])
        assert float(text.replace("−", "-")) == pytest.approx(exact, abs=0.51 * 10**-digits), sentence(page)


@pytest.mark.slow
def test_a_photo_that_the_flow_does_not_know_is_left_in_its_noise(scene: Open, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels.repeat(32, 0).repeat(32, 1)).save(tmp_path / "own.png")
    page = scene(1, reduced_motion="reduce")
    page.get_by_label("Your own photo").set_input_files(tmp_path / "own.png")
    wait_for(page, "The flow does not know such pictures")
    seen = page.locator(".thumb[aria-pressed=true] canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 16, 16).data]"
    )
    strength = stated.noise_strength(np.array(seen, dtype=np.uint8).reshape(16, 16, 4)[..., :3])
    end = float(page.get_by_label("Time", exact=True).get_attribute("max") or 0)
    move(page, "Time", end - 4.5)  # before it runs backwards
    wait_for(page, "Some of your photo is left")
    assert f"noise is {strength:.1f} times too strong." in sentence(page)
    move(page, "Time", end)
    wait_for(page, "0 of 768 values differ")
    page.locator(".thumb").first.click()
    end = float(page.get_by_label("Time", exact=True).get_attribute("max") or 0)
    move(page, "Time", end - 4.5)
    wait_for(page, "All 768 values are noise now.")


@pytest.mark.slow
def test_what_a_speaker_says_of_a_scene_is_two_to_four_sentences(scene: Open) -> None:
    page, seen = scene(1, reduced_motion="reduce"), []
    page.keyboard.press("n")
    while not page.get_by_role("button", name="Next →").is_disabled():
        page.keyboard.press("PageDown")
        seen.append(page.locator(".notes p").first.inner_text())
        assert 2 <= len(re.findall(r"[.?](?= |$)", seen[-1])) <= 4, seen[-1]
    assert len(set(seen)) == 13


@pytest.mark.slow
def test_the_ending_names_choices_and_opens_the_homework(scene: Open) -> None:
    page = scene(12, choice="flat")
    answers = {one.query["scene"]: one.answer(homework.facts()) for one in homework.QUESTIONS}
    wait_for(page, "flat grey needs")
    flat, own = re.findall(r"flat grey needs ([\d.]+) bits, this picture ([\d.]+)", sentence(page))[0]
    assert f"flat grey {flat}" in answers["12"] and f"this picture {own}" in answers["12"]
    page.locator(".menu-list button").last.evaluate("button => button.blur()")
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    wait_for(page, f"There and back: 0 of 768 values differ, at {own} bits per value.")
    assert "Likely or real?: flat grey" in page.locator(".caption").inner_text()
    alone = re.findall(r"level 1 anew: error (\d+) of 255", page.locator(".home-cards").inner_text())[0]
    made = by_set(bundled())
    whole = made[min(made)].rungs[-1].saved
    assert whole is not None and whole.lead_interval[0] > 0
    parts = "start, half, weights and partitions"  # together, as in scene 13: no rung alone saves as much
    assert f"{parts} save {whole.lead:.2f} bits per value on faces." in page.locator(".home-cards").inner_text()
    page.keyboard.press("PageUp")
    page.get_by_role("button", name="letters", exact=True).click()
    page.get_by_role("button", name="entropy weights").click()
    page.keyboard.press("PageDown")
    assert "The ladder: entropy weights" in page.locator(".caption").inner_text()
    page.get_by_role("button", name="Homework").click()
    assert page.locator(".homework li").count() == 8 and "choice=homework" in page.url
    page.locator(".homework button", has_text="Scene 9").click()
    wait_for(page, "of 255, another face")
    assert alone == re.findall(r"error (\d+) of 255", sentence(page))[0] and f"{alone} grey levels off" in answers["9"]


@pytest.mark.slow
def test_ten_minutes_are_seven_scenes_and_stay_in_the_url(scene: Open) -> None:
    page = scene(1, reduced_motion="reduce")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Ten minutes").click()
    page.locator(".stage header b", has_text="1 of 7").wait_for()
    assert page.locator(".stage header .wide").first.inner_text() == "Multi-scale flows in ten minutes"
    seen = []
    while not page.get_by_role("button", name="Next →").is_disabled():
        seen.append(int(re.findall(r"scene=(\d+)", page.url)[0]))
        page.keyboard.press("PageDown")
    assert seen == [1, 2, 4, 5, 9, 13] and "scene=15" in page.url
    page.reload()
    page.locator(".stage header b", has_text="7 of 7").wait_for()
    page.locator(".menu summary").click()
    page.get_by_role("button", name="All scenes").click()
    page.locator(".stage header b", has_text="14 of 14").wait_for()
    assert page.locator(".stage header .wide").first.inner_text() == "Multi-scale flows"
    assert "minutes=" not in page.url


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("scene=99", "This link asks for scene “99”, which is not here."),
        ("scene=2&image=x", "This link asks for image “x”, which is not here."),
        ("image=9&scene=0", "This link asks for image “9” and scene “0”, which are not here."),
    ],
)
def test_a_scene_or_an_image_that_a_link_asks_for_in_vain_is_named(
    browser: Browser, lesson_file: Path, asked: str, said: str
) -> None:
    page = browser.new_page()
    page.goto(f"{lesson_file.as_uri()}?{asked}")
    page.locator("[data-lesson=sentence]", has_text=said).wait_for()
    assert "scene=2" in page.url if "=2" in asked else "scene=1" in page.url
    page.keyboard.press("PageDown")  # what the next scene says is not covered
    page.locator("[data-lesson=sentence]", has_text=re.compile(r"^(?!This link).*\w")).wait_for()
    page.goto(f"{lesson_file.as_uri()}?scene=3&image={default.SHOWN[1]}")
    page.locator("[data-lesson=sentence]", has_text=re.compile(r"^(?!This link).*\w")).wait_for()
    page.close()


@pytest.mark.slow
def test_keys_change_the_scene_and_the_url(scene: Open) -> None:
    page = scene(1)
    page.keyboard.press("ArrowRight")
    page.locator("h1", has_text="Squeeze").wait_for()
    assert "scene=2" in page.url
    page.get_by_label("Squeeze", exact=True).focus()
    page.keyboard.press("ArrowRight")  # a slider keeps its arrows
    assert "scene=2" in page.url
    page.keyboard.press("PageUp")
    page.locator("h1", has_text="noise, and back").wait_for()
    page.keyboard.press("n")
    assert page.get_by_role("complementary", name="Speaker notes").is_visible()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play").wait_for()  # it ran, and rests
    page.locator(".thumb").nth(2).click()
    page.keyboard.press("PageDown")
    page.reload()  # scene and picture stand in the URL
    page.locator("h1", has_text="Squeeze").wait_for()
    assert page.locator(".thumb").nth(2).get_attribute("aria-pressed") == "true"
    page.locator(".menu summary").click()
    with page.expect_popup() as waiting:
        page.get_by_role("button", name="Notes in a second window").click()
    notes = waiting.value
    notes.get_by_role("heading", name="2. Squeeze").wait_for()
    notes.keyboard.press("PageDown")  # each window follows the other
    page.locator("h1", has_text="predicts part of the other").wait_for()
    page.keyboard.press("Home")
    notes.get_by_role("heading", name="1. A flow turns").wait_for()
    notes.close()


@pytest.mark.slow
def test_a_finger_taps_and_drags_cards_into_the_bin(scene: Open) -> None:
    page = scene(5, (390, 844), has_touch=True, is_mobile=True, reduced_motion="reduce")
    card = page.locator(".cards:not(.bin) .card").first
    card.tap()
    wait_for(page, "Five more must go")
    start, end = card.bounding_box(), page.locator(".bin").bounding_box()
    assert start and end
    touch = page.context.new_cdp_session(page)
    at = {"x": start["x"] + 10, "y": start["y"] + 10}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    for part in (0.3, 0.7, 1):
        to = {"x": at["x"], "y": at["y"] + part * (end["y"] + 20 - at["y"])}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [to]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_for(page, "Four more must go")
    page.get_by_role("button", name="Next").tap()  # the first tap after a fast throw counts
    page.locator("h1", has_text="Sort by entropy").wait_for()


#: What is chosen before a scene is looked at whole.
CHOICES = {8: "does not care", 12: "flat grey", 13: "half by variance"}


#: A picture is at least so many pixels high, with all that moves it.
SMALLEST = 380


@pytest.mark.slow
def test_every_scene_fits_and_is_accessible(scene: Open) -> None:
    """A scene is drawn on a telephone and, as the theme changes, anew on a projector; every other scene is dark."""
    page, themes = scene(1, (390, 844), reduced_motion="reduce"), cycle(("dark", "light"))
    for number in (*range(1, 14), 15):
        if number in CHOICES:
            page.get_by_role("button", name=CHOICES[number]).click()
        for size in ((390, 844), *([(1400, 900)] if LONG else []), (1280, 720)):
            if size[0] > 700:
                page.set_viewport_size({"width": size[0], "height": size[1]})
                page.emulate_media(color_scheme=next(themes))
            over = page.locator("[data-lesson=stage]").evaluate(
                "s => [s.scrollWidth - s.clientWidth, s.scrollHeight - s.clientHeight]"
            )
            assert max(over) <= 0, (page.locator("h1").inner_text(), size, over)
            room, notes = page.locator(".picture"), page.get_by_role("complementary", name="Speaker notes")
            for _ in range(20):  # a sentence that comes late may have one line more: then it is measured again
                stated, before = sentence(page), room.bounding_box()
                page.keyboard.press("n")  # its notes lie over it: the picture keeps its place and size
                notes.wait_for()
                after = room.bounding_box()
                ends = [each.evaluate("e => e.getBoundingClientRect().bottom") for each in (notes, page.locator("h1"))]
                page.keyboard.press("Escape")
                notes.wait_for(state="hidden")
                if sentence(page) == stated:
                    break
            assert after == before and before and before["height"] > SMALLEST
            assert ends[0] >= ends[1]  # the title is covered whole, or not at all
        if number == 1:
            page.keyboard.press("n")
        assert accessibility.violations(page) == [], page.locator("h1").inner_text()
        if LONG:
            page.emulate_media(color_scheme=next(themes))
            assert accessibility.violations(page) == [], page.locator("h1").inner_text()
        page.set_viewport_size({"width": 390, "height": 844})
        page.keyboard.press("Escape")
        page.keyboard.press("PageDown")
    assert page.get_by_role("button", name="Next").is_disabled()


@pytest.mark.slow
def test_the_file_measures_what_the_app_measures(scene: Open, open_tab: Open, address: str) -> None:
    def measured(page: Page) -> list[str]:
        said = []
        for name, choice in (
            ("Half, three quarters", "half"),
            ("What a level holds", ""),
            ("Likely or real", "flat grey"),
        ):
            page.locator(".menu-list button", has_text=name).evaluate("button => button.click()")
            if choice:
                page.get_by_role("button", name=choice, exact=True).click()
            measure = page.locator("[data-lesson=sentence]", has_text=re.compile(r"\d\.\d|\d+ of \d+"))
            measure.wait_for()
            said.append(measure.inner_text())
        return said

    page = open_tab()
    page.goto(f"{address}/?lesson=1")  # a link of an older version
    page.wait_for_url("**/lesson**")
    page.wait_for_selector("[data-lesson=stage]")
    assert measured(page) == measured(scene(1, reduced_motion="reduce"))
    page.close()


@pytest.mark.slow
def test_home_runs_the_first_scene_before_the_app_has_loaded_and_leads_into_the_lesson(
    browser: Browser, address: str
) -> None:
    from playwright.sync_api import expect

    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="dark")
    page.set_default_timeout(PATIENCE_MS)
    held: list[Route] = []  # the app's scripts
    page.route("**/static/js/index.*", lambda route: held.append(route))
    page.goto(address, wait_until="commit")
    said = page.locator("[data-lesson=sentence]")
    expect(said).to_have_text("16×16 pixels, 3 colours each: 768 values enter the flow.")
    expect(said).to_contain_text("Level 1 is a round")
    assert page.locator("#root > *").count() == 0
    stage = said.element_handle()
    for route in held:
        route.continue_()
    page.get_by_role("button", name="Start the lesson").wait_for()
    expect(page.locator("#eiw-first")).to_have_count(0)
    placed = page.locator("[data-testid=stMain] [data-lesson=sentence]").element_handle()
    assert page.evaluate("([first, now]) => first === now", [stage, placed]), "the scene began anew"
    page.get_by_role("link", name="Compare").click()
    expect(said).to_have_count(0)
    page.get_by_role("link", name="Home").click()
    expect(said).to_contain_text("Level 1 is a round")
    assert accessibility.violations(page) == []
    page.get_by_role("button", name="Start the lesson").click()
    page.wait_for_url("**/lesson**")
    page.locator("[data-lesson=stage] h1").wait_for()
    page.get_by_role("button", name="See more").click()
    page.wait_for_url(f"**/levels?*ck={default.flow_name()}*")
    page.locator(".eiw-strip").wait_for()
    page.unroute("**/static/js/index.*")
    page.goto(address)
    page.get_by_role("button", name="Ten minutes").click()
    page.locator(".stage header b", has_text="1 of 7").wait_for()
    page.close()
