"""What browsers and Node both have beside the language: as in Node, and made in the caller's realm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kernels.node.test_body import value
from tests.kernels.python.harness import PYTHON, ROOT, TestKernel

pytestmark = pytest.mark.kernel

PROGRAMS = Path(__file__).with_name("web_programs.txt").read_text().splitlines()
"""Bodies of functions, one a line."""

ALL = """
const AsyncFunction = (async () => {}).constructor;
const run = async (code) => { try { return await AsyncFunction(code)(); } catch (error) { return `threw ${error}`; } };
const all = JSON.parse(process.argv[1]);
(async () => { for (const code of all) console.log(JSON.stringify(await run(code)) ?? 'null'); })();
"""
"""A program for plain Node that prints what each of PROGRAMS returns."""


@pytest.fixture(scope="module")
def plain(node: None) -> list[Any]:
    """What plain Node, the same program as in kernels, returns for each of PROGRAMS."""
    find = "from kernels.node.binary import find; print(find().path)"
    path = subprocess.run([PYTHON, "-c", find], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run([path, "-e", ALL, json.dumps(PROGRAMS)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("at", range(len(PROGRAMS)), ids=PROGRAMS)
def test_it_is_as_in_node(shared: TestKernel, plain: list[Any], at: int) -> None:
    """Node itself is asked what comes of the same code."""
    assert value(shared.run(PROGRAMS[at])) == plain[at]


def test_console_shows_an_address_with_its_parts(shared: TestKernel) -> None:
    """As Node does."""
    reply = shared.run("console.log(new URL('http://a/b?c=d#e')); console.log([new URLSearchParams('a=1&b=2')])")
    assert reply.text().splitlines()[1:3] == ["  href: 'http://a/b?c=d#e',", "  origin: 'http://a',"]
    assert reply.text().splitlines()[-4:] == [
        "  searchParams: URLSearchParams { 'c' => 'd' },",
        "  hash: '#e'",
        "}",
        "[ URLSearchParams { 'a' => '1', 'b' => '2' } ]",
    ]


def test_an_address_is_returned_as_text(shared: TestKernel) -> None:
    """It has a toJSON, as the docs promise for all that have one."""
    assert value(shared.run("return {at: new URL('http://a/b')}")) == {"at": "http://a/b"}


def test_none_of_it_leads_out_of_the_realm(shared: TestKernel) -> None:
    """Functions, what they return and what they throw: all of this realm, so that their constructors know no process."""
    code = """
const thrown = (work) => { try { work(); return null; } catch (error) { return error; } };
const reached = [
  URL, URL.prototype, new URL('a:b'), new URL('http://a/?b').searchParams, new URLSearchParams('a=b').keys().next(),
  Object.getOwnPropertyDescriptor(URL.prototype, 'href').get, URL.parse, TextEncoder, new TextEncoder().encode('a'),
  new TextEncoder().encodeInto('a', new Uint8Array(1)), TextDecoder, new TextDecoder().decode, structuredClone,
  structuredClone({}), structuredClone(new Error('a')), structuredClone(new Map()),
  structuredClone(new Uint8Array(1)).buffer,
  atob, btoa, queueMicrotask, crypto, crypto.getRandomValues, crypto.getRandomValues(new Uint8Array(1)), performance,
  performance.now, DOMException, performance.toJSON(),
  thrown(() => new URL('no')), thrown(() => atob('a')), thrown(() => btoa('€')), thrown(() => new TextDecoder('no')),
  thrown(() => new TextDecoder().decode('a')), thrown(() => structuredClone(() => 1)),
  thrown(() => crypto.getRandomValues(1)),
  thrown(() => new TextEncoder().encodeInto('a', {})), thrown(() => new URLSearchParams([1])),
  thrown(() => { const deep = () => new URL('http://a') && deep(); deep(); }),
];
const processOf = (value) => value.constructor.constructor('return typeof process')();
return reached.map((value) => `${processOf(value)} ${value instanceof Object}`);
"""
    found = value(shared.run(code))
    assert len(found) == 37
    assert set(found) == {"undefined true"}


def test_code_that_spoils_the_language_spoils_only_its_own(shared: TestKernel) -> None:
    """A patched JSON or Array meets these classes as it would meet any code in the realm, and the next run is told so."""
    code = """
const { parse } = JSON;
JSON.parse = () => ({ get href() { return 'patched' } });
Object.defineProperty(Array.prototype, 0, { get() { throw new RangeError('patched') }, configurable: true });
const href = new URL('http://a/').href;
delete Array.prototype[0];
JSON.parse = parse;
return href;
"""
    assert value(shared.run(code)) == "http://a/"
    assert value(shared.run("return new URL('http://b/').href")) == "http://b/"
