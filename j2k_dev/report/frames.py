"""HTML outputs that bring their own scripts or style sheets, each in a sandboxed frame of its own.

A frame is a page without an origin: it sees neither the report nor the other frames, and its content security policy
is the report's, so it fetches nothing. It tells its height to the report by message, the one thing it may do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

_REMOTE = re.compile(
    r"<(?:script|img|iframe|video|audio|source|embed)\b[^>]*\bsrc\s*=\s*[\"']?\s*(?:https?:)?//"
    r"|<link\b[^>]*\bhref\s*=\s*[\"']?\s*(?:https?:)?//"
    r"|\brequire\s*\(\s*\[|\brequirejs\b|\bimport\s*\(?\s*[\"']https?://",
    re.IGNORECASE,
)
_SCRIPTED = re.compile(r"<script\b|\son[a-z]+\s*=|javascript:", re.IGNORECASE)

# A frame out of sight has sleeping observers, and what it says before the report knows it is lost: so the report asks
# once it is loaded. The count ends the growth of a page that is always a little taller than its frame.
MEASURE = (
    "{addEventListener('error',()=>document.documentElement.dataset.broken='',true);let n=0;"
    "const tell=()=>n++<20&&parent.postMessage({height:Math.ceil("
    "document.documentElement.getBoundingClientRect().height)},'*');"
    "addEventListener('message',e=>e.source===parent&&tell());"
    "new ResizeObserver(tell).observe(document.documentElement)}"
)
LISTEN = (
    "addEventListener('message',e=>{for(const f of document.querySelectorAll('iframe'))"
    "if(f.contentWindow===e.source&&e.data&&e.data.height>0)f.style.height=Math.min(e.data.height,4000)+'px'});"
    "document.addEventListener('load',e=>{if(e.target.tagName==='IFRAME')e.target.contentWindow.postMessage(0,'*')},true)"
)
_HEAD = (
    f"<!doctype html><html><head><meta charset='utf-8'><script>{MEASURE}</script><style>"
    ":root{color-scheme:light}body{margin:0;padding:8px;background:#fff;color:#1c1b19;"
    "font:14px/1.45 system-ui,sans-serif;overflow-wrap:break-word}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:4px 8px;text-align:right}"
    "[data-broken] body::after{content:'Something here did not load: it works in a live notebook only.';"
    "display:block;color:#6b665c;font-size:13px;padding-top:6px}"
    "</style></head><body>"
)


@dataclass(frozen=True)
class Frame:
    """One sandboxed frame; ``scripted`` says whether what is in it runs code of its own."""

    html: Markup
    scripted: bool


def needs_network(html: str) -> bool:
    """Say whether this HTML fetches code or pictures from elsewhere: without network it can't work."""
    return _REMOTE.search(html) is not None


def framed(html: str, title: str) -> Frame:
    """Wrap HTML of any kind in a frame that may run scripts and nothing else."""
    page = f"{_HEAD}{html}</body></html>"
    tag = Markup('<iframe class="frame" sandbox="allow-scripts" title="{}" srcdoc="{}"></iframe>')
    return Frame(tag.format(title, escape(page)), _SCRIPTED.search(html) is not None)
