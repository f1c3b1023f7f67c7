"""The HTML report in headless Chromium: it renders without complaint, in the dark and on narrow screens too."""

from __future__ import annotations

import shutil

import pytest

from verify.report import write_reports

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None,
        reason="needs chromium and chromedriver (apt install chromium chromium-driver)",
    ),
    # Selenium's own clean-up leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    profile = tmp_path_factory.mktemp("profile")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, results, tmp_path):
    html, _ = write_reports(results, tmp_path)
    browser.set_window_size(1200, 900)
    browser.get(html.as_uri())
    return browser


def test_it_renders_without_a_complaint(page, results):
    assert page.get_log("browser") == []
    for item in results["statements"]:
        assert page.execute_script("return document.body.innerText.includes(arguments[0])", item["id"])
    sizes = page.execute_script(
        "return [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().width)"
    )
    assert sizes
    assert min(sizes) > 0


def test_the_math_font_of_the_page_is_used(page):
    assert page.execute_script("return document.fonts.ready.then(() => [...document.fonts].map(f => f.status))") == [
        "loaded"
    ]


def test_nothing_is_fetched(page):
    assert page.execute_script("return performance.getEntriesByType('resource').map(r => r.name)") == []


def test_internal_links_lead_somewhere_that_can_be_seen(page):
    links = page.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')]"
        ".map(a => decodeURIComponent(a.getAttribute('href').slice(1)))"
    )
    assert links
    for target in set(links):
        assert page.execute_script("return document.getElementById(arguments[0]) !== null", target), target


def test_hostile_text_runs_no_script_and_is_shown_as_text(browser, hostile_results, tmp_path):
    html, _ = write_reports(hostile_results, tmp_path)
    browser.get_log("browser")
    browser.get(html.as_uri())
    assert browser.execute_script("return document.querySelectorAll('script').length") == 0
    assert browser.execute_script("return document.body.innerText.includes('<script>')")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_the_page_never_scrolls_sideways(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_mode_has_a_dark_page_and_light_text(page):
    def colours():
        return page.execute_script(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
            ".map(c => c.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b))"
        )

    for scheme, darker in (("light", 1), ("dark", 0)):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        values = colours()
        assert values[darker] + 300 < values[1 - darker], scheme
