"""What `list`, `describe` and `plugins` print. Imports nothing heavy, and options only of what is described."""

from __future__ import annotations

import difflib
import platform
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from importlib.metadata import version

from heatbath.core.config import read, read_run
from heatbath.core.errors import ConfigError
from heatbath.core.hookspecs import KINDS
from heatbath.core.host import Host, Record
from heatbath.core.presets import presets_of
from heatbath.core.text import Page, columns

BOXES = re.compile(r"^(╭─)? options .*", re.MULTILINE | re.DOTALL)
HELP_LINES = re.compile(r"^.*-h, --help[\s│]*show this help message and exit.*\n", re.MULTILINE)


def version_line() -> str:
    return f"heatbath {version('heatbath')}, Python {platform.python_version()}"


def listing(host: Host, kinds: Sequence[str]) -> str:
    """Names and summaries by kind; a kind with nothing registered is said to be empty only when asked for alone."""
    blocks = []
    for kind in kinds:
        rows = [(f"  {r.component.name}", r.component.problem or "", r.component.summary) for r in host.records(kind)]
        if rows or len(kinds) == 1:
            blocks.append(f"{kind}\n{columns(rows) if rows else '  (none)'}")
    return "\n\n".join(blocks) or "nothing is registered: no plugin is loaded"


def plugins(host: Host) -> str:
    """One row a plugin."""
    rows = [(p.name, p.status, f"{p.distribution} {p.version}".strip(), p.detail) for p in host.plugins]
    return columns([("plugin", "status", "from", "offers, or why not"), *rows]) if rows else "no plugin is installed"


def describe(host: Host, name: str) -> str:
    """Everything registered under a name, of whatever kind.

    Raises:
        ConfigError: for a name that nothing bears.
    """
    found = [(kind, host.record(kind, name)) for kind in KINDS if name in host.names(kind)]
    if not found:
        near = difflib.get_close_matches(name, sorted({n for kind in KINDS for n in host.names(kind)}), 1)
        hint = f"did you mean {near[0]!r}?" if near else "`heatbath list` shows what there is"
        raise ConfigError(f"nothing is named {name!r}; {hint}")
    return "\n\n".join(_card(host, kind, record) for kind, record in found)


def _card(host: Host, kind: str, record: Record) -> str:
    component = record.component
    facts = [
        ("kind", kind),
        ("serves", component.problem or ""),
        ("from", record.source),
        ("target", component.target),
        ("reference", component.reference),
        ("extra", f"pip install '{record.distribution}[{component.extra}]'" if component.extra else ""),
    ]
    lines = [component.name, component.summary, "", columns([fact for fact in facts if fact[1]])]
    if component.config:
        lines += ["", _options(host, kind, component.name)]
        options = host.options_type(kind, component.name)
        if options is not None and (known := presets_of(options)):
            rows = [(f"  {name}", preset.source) for name, preset in sorted(known.items())]
            lines += ["", "presets (--preset NAME)", columns(rows)]
    return "\n".join(lines)


def _options(host: Host, kind: str, name: str) -> str:
    """The boxes of tyro's help, without its line on `--help`."""
    page = Page(sys.stdout.encoding)
    with redirect_stdout(page), suppress(SystemExit):
        if kind == "experiments":
            read_run(host, name, ["--help"])
        else:
            options = host.options_type(kind, name)
            assert options is not None
            read(host, options, ["--help"])
    boxes = BOXES.search(page.getvalue())
    assert boxes is not None
    return HELP_LINES.sub("", boxes[0]).rstrip()
