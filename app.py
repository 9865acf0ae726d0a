"""Hugging Face Spaces and local entry: build the page and serve it."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

from pathlib import Path

from e5demo.importing import quick_imports

with quick_imports():
    from starlette.middleware import Middleware

    from e5demo.backends import Backends
    from e5demo.ui import create_page
    from e5demo.ui.language import LanguageScript
    from e5demo.ui.theme import HEAD, theme
    from e5demo.workspace import downloads

MAX_UPLOAD = "500mb"


def main() -> None:
    backends = Backends()
    page, i18n = create_page(backends)
    backends.start()
    page.queue(max_size=64).launch(
        # Unset, gradio's own variables decide, as Spaces sets them.
        server_name=os.environ.get("HOST"),
        server_port=int(os.environ["PORT"]) if "PORT" in os.environ else None,
        theme=theme(),
        css_paths=Path(__file__).parent / "assets" / "style.css",
        head=HEAD,
        i18n=i18n,
        app_kwargs={"middleware": [Middleware(LanguageScript)]},
        allowed_paths=[str(downloads())],
        max_file_size=MAX_UPLOAD,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        quiet=False,
    )


if __name__ == "__main__":
    main()
