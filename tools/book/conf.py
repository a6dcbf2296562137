"""How Sphinx makes the web book. ``tools/build_book.py`` calls it, and hands over the two settings."""

import os

project, author = "llamalite", "the llamalite maintainers"
copyright = "code Apache-2.0, text and figures CC-BY-4.0"
extensions = ["myst_nb", "sphinx_copybutton"]
nb_execution_mode = "off"  # what is shown is what is stored
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
mathjax_path = "tex-svg.js"  # one file beside the pages, no other machine is asked
templates_path: list[str] = []
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_title = "llamalite"
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_show_sourcelink = False
html_theme_options = {
    "repository_url": os.environ["LLAMALITE_REPOSITORY"],
    "repository_branch": "main",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": True,
    "home_page_in_toc": False,
    "navbar_persistent": [],  # the sidebar has a search box already
    "show_toc_level": 2,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
}
