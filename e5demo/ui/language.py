"""French or English: from the browser at first, then as switched on the page.

Gradio translates labels by `navigator.language`, which only its own settings dialog overrides. So
a script runs before Gradio's and answers in the browser's place with the language of the address
(`?lang=fr`), else the one kept from an earlier switch. A switch changes the address. Server-side
texts get the same language through `LANGUAGE`.
"""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY = "e5demo-language"
LANGUAGE = "navigator.language"
SCRIPT = f"""<script>
(() => {{
  let language = new URLSearchParams(location.search).get("lang");
  try {{
    language ??= localStorage.getItem("{KEY}");
    if (["fr", "en"].includes(language)) localStorage.setItem("{KEY}", language);
  }} catch {{ /* where storage is blocked, the address keeps it */ }}
  if (!["fr", "en"].includes(language))
    language = navigator.language.toLowerCase().startsWith("fr") ? "fr" : "en";
  Object.defineProperty(navigator, "language", {{ get: () => language }});
  Object.defineProperty(navigator, "languages", {{ get: () => [language] }});
  document.documentElement.lang = language;
}})();
</script>"""


def switch_to(language: str) -> str:
    """The browser's side of a switch."""
    return (
        "() => { const address = new URL(location.href);"
        f" address.searchParams.set('lang', '{language}'); location.assign(address); }}"
    )


class LanguageScript:
    """ASGI middleware: puts SCRIPT at the head of the page. Gradio's own `head` comes too late,
    since the browser's side adds it after it has chosen a language."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        await self.app(scope, receive, _Page(send).take if page else send)


class _Page:
    """One response, held until its body is whole."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.start: dict[str, Any] = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = dict(message)
            return
        if message["type"] != "http.response.body":
            await self.send(message)
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self.body.replace(b"<head>", b"<head>" + SCRIPT.encode(), 1)
        told = self.start.get("headers", ())
        headers = [(k, v) for k, v in told if k.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self.send({**self.start, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
