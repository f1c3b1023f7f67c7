"""The HTML pages in headless Chromium: they render, and can be read and used, in every size and colour."""

import base64
import importlib.resources
import json
import shutil

import pypdf
import pytest

from verify.compare import compare_files
from verify.report import write_reports
from verify.report.page import render, render_page
from verify.report.view import make_view

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
def opened(browser, tmp_path):
    """Opens a page from disk, as wide as a desk's screen, in a profile that remembers nothing."""

    def go(source, width=1280):
        (tmp_path / "page.html").write_text(source, encoding="utf-8")
        resize(browser, width)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        browser.get((tmp_path / "page.html").as_uri())
        if browser.execute_script("const had = localStorage.length; localStorage.clear(); return had"):
            browser.refresh()
        browser.get_log("browser")
        browser.refresh()
        return browser

    return go


@pytest.fixture
def page(opened, results):
    return opened(render_page(make_view(results)))


@pytest.fixture
def comparison_page(opened, results, tmp_path):
    for name, outcome in (("one", "holds"), ("two", "violated")):
        results["run"]["seed"] += 1
        results["statements"][0]["verdict"]["outcome"] = outcome
        (tmp_path / name).write_text(json.dumps(results), encoding="utf-8")
    comparison = compare_files(tmp_path / "one", tmp_path / "two")
    return opened(render("comparison.html.j2", comparison=comparison))


def resize(browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )


def eventually(browser, condition, *arguments):
    """Whether an expression becomes true; events such as that of a new address come when the browser has time."""
    return browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; const given = arguments; let looks = 0;"
        f"(function look() {{ if ({condition}) done(true); else if (++looks > 400) done(false);"
        " else setTimeout(look, 20); })()",
        *arguments,
    )


def scheme(browser, name):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]}
    )


def is_dark(browser):
    dark, light = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        ".map(c => c.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b))"
    )
    assert abs(dark - light) > 300
    return dark < light


def shown_rows(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#board tbody tr')].filter(row => row.offsetParent)"
        ".map(row => row.querySelector('code').textContent)"
    )


def test_it_renders_without_a_complaint(page, results):
    assert page.get_log("browser") == []
    for item in results["statements"]:
        assert page.execute_script("return document.body.innerText.includes(arguments[0])", item["id"])
    sizes = page.execute_script(
        "document.getElementById('unfold').click();"
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
        "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
    )
    assert links
    for target in sorted(set(links)):
        page.execute_script("location.hash = arguments[0]", target)
        assert eventually(page, "document.getElementById(given[0])?.checkVisibility()", target), target


def test_nodes_of_the_graph_are_links(page):
    page.execute_script("document.querySelector('.dag a').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert eventually(page, "location.hash && location.hash === document.querySelector('.dag a').getAttribute('href')")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", ["page", "comparison_page"])
def test_axe_has_no_serious_finding(request, kind, width, colours):
    axe = importlib.resources.files(pytest.importorskip("axe_core_python")) / "axe.min.js"
    browser = request.getfixturevalue(kind)
    resize(browser, width)
    scheme(browser, colours)
    browser.execute_script("document.getElementById('unfold')?.click()")
    browser.execute_script(axe.read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(found => done(found.violations"
        ".filter(v => ['serious', 'critical'].includes(v.impact)).map(v => [v.id, v.nodes.map(n => n.html)])))"
    )
    assert found == []


def test_hostile_text_runs_no_script_and_is_shown_as_text(opened, hostile_results):
    browser = opened(render_page(make_view(hostile_results)))
    assert browser.execute_script("return document.querySelectorAll('script').length") == 1
    assert browser.execute_script("return document.body.innerText.includes('<script>')")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(
    "injected",
    [
        "<script>window.ran = true</script>",
        "<p onclick='window.ran = true' id='trap'>x</p>",
        "<a href='javascript:void(window.ran = true)' id='trap'>x</a>",
        "<img src='x' onerror='window.ran = true'>",
        "<iframe srcdoc='<script>parent.ran = true</script>'></iframe>",
        "<object data='data:text/html,<script>parent.ran = true</script>'></object>",
    ],
)
def test_the_policy_stops_what_would_get_into_the_page(opened, results, injected):
    browser = opened(render_page(make_view(results)).replace("<main id", f"{injected}<main id", 1))
    browser.execute_script("document.getElementById('trap')?.click()")
    ran = browser.execute_async_script("const done = arguments[0]; setTimeout(() => done(window.ran === true), 60)")
    assert not ran
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))
    # The page's own script is the one that still runs.
    assert browser.execute_script("return document.documentElement.classList.contains('js')")


@pytest.mark.parametrize("fixture", ["results", "hostile_results", "empty_results", "data_results"])
def test_the_page_never_scrolls_sideways(request, opened, fixture):
    browser = opened(render_page(make_view(request.getfixturevalue(fixture))))
    for _ in range(2):
        for width in (320, 390, 768, 1280, 1920):
            resize(browser, width)
            assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), width
        browser.execute_script("document.getElementById('unfold').click()")


@pytest.mark.parametrize("kind", ["page", "comparison_page"])
def test_the_theme_follows_the_system_until_it_is_chosen(request, kind):
    browser = request.getfixturevalue(kind)
    seen = []
    for name in ("light", "dark"):
        scheme(browser, name)
        seen.append(is_dark(browser))
    assert seen == [False, True]
    button = browser.find_element("id", "theme")
    for text, dark in (("Theme: dark", True), ("Theme: light", False)):
        button.click()
        assert button.text == text
        assert is_dark(browser) is dark
    browser.refresh()
    assert not is_dark(browser)  # it is remembered


def test_the_board_is_filtered_by_words_and_by_verdict(page, results):
    everything = shown_rows(page)
    assert everything == [item["id"] for item in results["statements"]]
    entry = page.find_element("css selector", "#filter input")
    entry.send_keys("THEOREM-6")
    assert shown_rows(page) == ["theorem-6"]
    assert page.find_element("css selector", "#filter [role=status]").text == f"1 of {len(everything)} shown"
    page.find_element("css selector", "[data-clear]").click()
    assert shown_rows(page) == everything
    outcomes = {item["id"]: item["verdict"] for item in results["statements"]}
    page.find_element("css selector", "[data-value=holds]").click()
    holding = [name for name, verdict in outcomes.items() if verdict["outcome"] == "holds"]
    assert shown_rows(page) == holding
    page.find_element("css selector", "[data-value=proof]").click()
    assert shown_rows(page) == [name for name in holding if outcomes[name]["evidence"] == "proof"]
    page.find_element("css selector", "[data-value=proof]").click()
    page.find_element("css selector", "[data-value=violated]").click()  # either of two outcomes
    assert set(shown_rows(page)) == {n for n, v in outcomes.items() if v["outcome"] in ("holds", "violated")}
    dimmed = page.execute_script("return document.querySelectorAll('.tile.dimmed').length")
    assert dimmed == len(everything) - len(shown_rows(page))


def test_tables_sort_by_what_they_mean(page, results):
    points = {item["id"]: sum(len(check["points"]) for check in item["checks"]) for item in results["statements"]}
    head = page.find_element("css selector", "#board th:nth-child(4)")
    head.find_element("tag name", "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [points[name] for name in shown_rows(page)] == sorted(points.values())
    head.find_element("tag name", "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [points[name] for name in shown_rows(page)] == sorted(points.values(), reverse=True)
    assert len(page.find_elements("css selector", "#board [aria-sort]")) == 1


def test_powers_of_ten_sort_among_numbers(page):
    """The check “grid” has bounds of 10¹⁰⁸, 0.819, 1, 0 and two that are missing, in one column."""
    order = page.execute_script(
        "document.getElementById('unfold').click();"
        "const table = [...document.querySelectorAll('table.points')]"
        ".find(t => t.textContent.includes('×10¹⁰⁸'));"
        "const at = [...table.tHead.rows[0].cells].findIndex(c => c.textContent.trim() === 'Bound');"
        "table.tHead.rows[0].cells[at].querySelector('button').click();"
        "return [...table.tBodies[0].rows].map(r => r.cells[at].textContent)"
    )
    assert order[0] == "0"
    assert order.index("0.135") < order.index("0.819") < order.index("1")
    assert order[-2:] == ["—", "—"]
    assert "×10¹⁰⁸" in order[-3]


def test_the_command_is_copied(page):
    page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    page.find_element("css selector", "#s-2 button.copy").click()
    command = "python -m verify run theorem-6 --seed 7"
    assert eventually(page, "document.querySelector('#s-2 button.copy [aria-live]').textContent === 'Copied'")
    assert page.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == command


def test_a_link_opens_what_is_folded(page):
    assert not page.execute_script("return document.getElementById('s-2-1').open")
    page.find_element("css selector", "#s-2 .checks a").click()
    assert eventually(page, "document.getElementById('s-2-1').open")


def test_keys_reach_what_the_mouse_does(page):
    body = page.find_element("tag name", "body")
    body.send_keys("\ue004")  # tab
    assert page.execute_script("return document.activeElement.className") == "skip"
    page.execute_script("document.querySelector('#s-2-1 summary').focus()")
    page.switch_to.active_element.send_keys("\ue007")  # enter
    assert page.execute_script("return document.getElementById('s-2-1').open")
    page.execute_script("document.querySelector('#board .sort').focus()")
    page.switch_to.active_element.send_keys("\ue007")
    assert page.execute_script("return document.querySelector('#board th').getAttribute('aria-sort')") == "ascending"


def test_only_what_scrolls_is_a_stop_for_the_tab_key(page):
    page.execute_script("document.getElementById('unfold').click()")
    for width in (1280, 320):
        resize(page, width)
        assert eventually(
            page,
            "[...document.querySelectorAll('.scroll, .display')]"
            ".every(each => (each.tabIndex === 0) === (each.scrollWidth > each.clientWidth))",
        )
    scrolling = "return [...document.querySelectorAll('.scroll, .display')].filter(each => each.tabIndex === 0).length"
    assert page.execute_script(scrolling) > 5


def test_without_a_script_all_can_be_read_and_no_dead_control_is_shown(browser, opened, results):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(render_page(make_view(results)))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    buttons = browser.find_elements("tag name", "button")
    assert buttons
    assert not any(button.is_displayed() for button in buttons)
    for item in results["statements"]:
        assert item["title"] in browser.find_element("tag name", "main").text


def test_print_is_light_and_unfolded(page, tmp_path):
    scheme(page, "dark")
    made = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    (tmp_path / "print.pdf").write_bytes(base64.b64decode(made["data"]))
    text = "".join(sheet.extract_text() for sheet in pypdf.PdfReader(tmp_path / "print.pdf").pages)
    assert "Both sides agree." in text  # a step of a folded derivation
    assert "Theme:" not in text
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    assert not is_dark(page)


def test_the_comparison_renders_without_a_complaint(comparison_page):
    assert comparison_page.get_log("browser") == []
    assert "lemma-2" in comparison_page.find_element("tag name", "main").text
    for width in (320, 1280):
        resize(comparison_page, width)
        assert comparison_page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_what_is_written_is_this_page(results, tmp_path):
    html, _ = write_reports(results, tmp_path)
    assert html.read_text(encoding="utf-8") == render_page(make_view(results))
