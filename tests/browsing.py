"""A real browser for tests of pages: windows that take down what happens in them, and what is wrong with a page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (chromium in PATH)")

READ_PAGE = """() => {
  const seen = (e) => e.getClientRects().length > 0;
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = parse(c).slice(0, 3).map((v) => {
    v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((parse(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
  const texts = [...document.querySelectorAll('body *')].filter((e) => seen(e) && !e.closest('.hidden')
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
  const pale = texts.filter((e) => { const a = light(getComputedStyle(e).color), b = light(ground(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; });
  return {
    headings: [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1])),
    unlabelled: [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
      .filter((e) => !e.labels.length).map((e) => e.outerHTML),
    nameless: [...document.querySelectorAll('a, button')].filter((e) => !e.textContent.trim()).map((e) => e.outerHTML),
    headless: [...document.querySelectorAll('table')].filter((t) => !t.querySelector('th[scope=col]')).length,
    pale: pale.map((e) => e.outerHTML.slice(0, 120)),
    small: texts.filter((e) => parseFloat(getComputedStyle(e).fontSize) < 16).map((e) => e.outerHTML.slice(0, 120)),
    wide: document.documentElement.scrollWidth - window.innerWidth,
    lang: document.documentElement.lang, title: document.title,
  };
}"""


@contextmanager
def launched() -> Iterator[Browser]:
    """Give a headless Chromium for the length of a `with` block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Window:
    """A window that takes down what its console says and which hosts it asks."""

    def __init__(self, chromium: Browser, address: str, **looks: Any) -> None:
        self.context: BrowserContext = chromium.new_context(base_url=address, **looks)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.said: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))


def faults(read: dict[str, Any]) -> dict[str, Any]:
    """Give what keeps a page, as READ_PAGE read it, from being legible, labelled and in order; nothing is best."""
    headings = read["headings"]
    found = {name: read[name] for name in ("unlabelled", "nameless", "pale", "small", "headless") if read[name]}
    if headings[:1] != [1] or headings.count(1) != 1 or any(b > a + 1 for a, b in pairwise(headings)):
        found["headings"] = headings
    if read["wide"] > 0:
        found["wide"] = read["wide"]
    if read["lang"] != "en" or not read["title"]:
        found["title"] = read["title"]
    return found
