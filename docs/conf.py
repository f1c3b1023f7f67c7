"""Settings of the documentation's site; `python docs/build.py` makes it."""

from typing import Any

from sphinx.application import Sphinx

import verify

project = "verify"
version = release = verify.__version__
html_title = f"verify {release}"
language = "en"
root_doc = "index"

extensions = ["verify.sphinx", "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]

# The text is read on a code-hosting page as well, so it has no directives but fences.
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
html_math_renderer = "verify"
verify_works = {"finite-N note": "docs/math/finite-n"}
nb_execution_mode = "off"  # the notebook is committed with its outputs, and a test executes it

suppress_warnings = ["myst.header"]  # tables of experiments, as printed, begin at the third level

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Named as in the source, for what they stand for is long and says less.
autodoc_type_aliases = {
    name: name.rpartition(".")[2]
    for name in ("npt.ArrayLike", "FloatArray", "BoolArray", "SignArray", "Array", "Drawing", "Scalar", "Tally")
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"  # docstrings are written with single backticks

html_theme = "furo"
html_static_path = []
# Summaries of search results are fetched, which no browser does from files.
html_show_search_summary = False
html_copy_source = False
html_show_copyright = False


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("html-page-context", usable_by_keyboard, priority=900)  # after the theme


def usable_by_keyboard(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Code that is wider than the page can be scrolled, and headings of the side bar have a level."""
    if "body" in context:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')
    side = "furo_navigation_tree"
    if side in context:
        context[side] = context[side].replace('role="heading"', 'role="heading" aria-level="2"')
