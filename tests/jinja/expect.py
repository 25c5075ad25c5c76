# Writes expected.json: what Jinja2 makes of the templates in templates.json, in the environment that Hugging Face's
# transformers gives chat templates. Needs Jinja2 3.1: apt-get install python3-jinja2; python3 tests/jinja/expect.py
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

FOLDER = pathlib.Path(__file__).parent
NOON = datetime.datetime(2024, 7, 6, 9, 5, 3, 42)


class Generation(jinja2.ext.Extension):
    """The block around what an assistant says: it is written as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.TemplateError(message)


environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = NOON.strftime


def render(template, variables):
    """The text; None where it is an error, of whatever kind."""
    try:
        return environment.from_string(template).render(**variables)
    except Exception:
        return None


cases = json.loads((FOLDER / "templates.json").read_text())
texts = [render(template, cases["variables"]) for template in cases["templates"]]
body = ",\n".join(f"  {json.dumps(text, ensure_ascii=False)}" for text in texts)
(FOLDER / "expected.json").write_text(f"[\n{body}\n]\n")
