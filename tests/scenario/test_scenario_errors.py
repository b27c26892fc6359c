"""Bad files: each gets one line that names the file, the key, and what is wrong with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from scenario_files import LEAST, complaint, write

from guestsim.errors import InputError
from guestsim.scenario import load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of this test's own."""
    monkeypatch.chdir(tmp_path)


SCRIPT = LEAST + '[search]\nstrategy = "script"\nscript = [{ run = "daemon" }, { %s }]\n'
VARIANT = LEAST + '[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n'


def chain(entry: str) -> str:
    """A scenario with this chain."""
    return f'title = "t"\nboot.chain = [{entry}]\nexpect.connected = "always"\n'


def request(line: str) -> str:
    """A scenario with this request as its second."""
    return chain(f'{{ image = "a", requests = ["read k", "{line}"] }}')


def device(line: str) -> str:
    """A scenario with a PCI function of which one key is as in `line`."""
    keys = {"address": '"04.0"', "id": '"8086:100e"', "class": '"0200"'}
    key, _, value = line.partition(" = ")
    keys[key] = value
    return LEAST + f"platform.devices = [{{ {', '.join(f'{k} = {v}' for k, v in keys.items())} }}]"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # Unknown keys: the nearest in the same table, else where the key belongs, else what is
        # known.
        (LEAST + 'search.strategey = "x"',
         'search.strategey: unknown key; did you mean "strategy"?'),
        (LEAST + "boot.memory = 64", "boot.memory: unknown key; it belongs in [platform]"),
        (LEAST + "platform.memory = 64",
         "platform.memory: expected a string, got the integer 64"),
        (LEAST + 'platform.memory = "64"',
         'platform.memory: "64" is no size; write one as "64 MiB"'),
        (LEAST + 'platform.memory = "\u0661\u0666 MiB"',
         'platform.memory: "\u0661\u0666 MiB" is no size; write one as "64 MiB"'),
        (LEAST + 'platform.xen = "\u0664.17"',
         'platform.xen: "\u0664.17" is no version of Xen; write one as "4.17"'),
        (LEAST + 'platform.memory = "3 GiB"',
         'platform.memory: "3 GiB" is not between 4 MiB and 2 GiB'),
        (LEAST + 'platform.memory = "5000001 bytes"',
         'platform.memory: "5000001 bytes" is not a whole number of pages of 4 KiB'),
        (LEAST + "platform.vcpus = 5", "platform.vcpus: 5 is too large; at most 4"),
        (LEAST + 'platform.xen = "four"',
         'platform.xen: "four" is no version of Xen; write one as "4.17"'),
        (LEAST + 'platform.devices = ["e100"]',
         'platform.devices[0]: "e100" is not one of i440fx, piix3-isa, piix3-ide, piix3-usb, '
         'piix4-pm, xen-platform, cirrus-vga, std-vga, rtl8139, e1000 or a table; '
         'did you mean "e1000"?'),
        (device('address = "4"'),
         'platform.devices[0].address: "4" is not SLOT.FUNCTION, as "04.0"'),
        (device('address = "20.0"'), 'platform.devices[0].address: "20.0": the last slot is 1f'),
        (device('id = "e1000"'),
         'platform.devices[0].id: "e1000" is not VENDOR:DEVICE, as "8086:100e"'),
        (device('class = "net"'),
         'platform.devices[0].class: "net" is not hexadecimal digits, as "0200"'),
        (device('registers = ["io 64 bytes", "rom 4 KiB"]'),
         'platform.devices[0].registers[1]: "rom 4 KiB" is not KIND SIZE, as "io 64 bytes" or '
         '"memory 128 KiB"'),
        (device('registers = ["io 4 KiB"]'),
         'platform.devices[0].registers[0]: "io 4 KiB": its size must be a power of two from 4 to '
         "256 bytes"),
        (device('registers = ["memory 4 pages"]'),
         'platform.devices[0].registers[0]: "4 pages" is no size; write one as "64 MiB"'),
        (device(f"registers = {['memory64 4 KiB'] * 4}"),
         "platform.devices[0].registers[3]: a function has 6 registers; memory64 takes two"),
        (LEAST + "SEED = 1", "SEED: unknown key; known here: tags, boot, platform, store, ring, "
         "daemon, others, search, expect, title, pair, matrix, variant"),
        (LEAST + "seed = 1", "seed: unknown key; it belongs in [search]"),
        (LEAST + "connection = 1", "connection: unknown key; it belongs in [ring]"),
        (LEAST + 'expect.signal = "kept"',
         "expect.signal: unknown key; it belongs in [expect.rules]"),
        (LEAST + "ring.rep_index = 1",
         'ring.rep_index: unknown key; did you mean "req_index" or "rsp_index"?'),
        (LEAST + '"a key" = 1',
         '"a key": unknown key; known here: tags, boot, platform, store, ring, '
         "daemon, others, search, expect, title, pair, matrix, variant"),
        (LEAST + 'expect.rules.index_owner = "kept"',
         'expect.rules.index_owner: unknown key; did you mean "index-owner"?'),
        (LEAST + "expect.rules.wire-sain = 1",
         'expect.rules.wire-sain: unknown key; did you mean "wire-sane"?'),
        (chain('{ image = "a", request = [] }'),
         'boot.chain[0].request: unknown key; did you mean "requests"?'),
        (chain('{ image = "a", stop = { consol = "> " } }'),
         'boot.chain[0].stop.consol: unknown key; did you mean "console"?'),
        (LEAST + "boot.stop.hlt = true",
         "boot.stop: unknown key; it belongs in an entry of boot.chain"),
        (LEAST + 'boot.type = "halt"',
         "boot.type: unknown key; it belongs in an entry of boot.chain"),
        (LEAST + 'search.until = "send"',
         "search.until: unknown key; it belongs in an entry of search.script"),
        # Values that are not among the choices.
        (LEAST + 'search.strategy = "exaustive"', 'search.strategy: "exaustive" is not one of '
         'exhaustive, bounded, random, script, pct; did you mean "exhaustive"?'),
        (LEAST + 'search.memory_model = "arm"', 'search.memory_model: "arm" is not one of sc, tso'),
        (LEAST + 'search.string_stores = "any-ordr"', 'search.string_stores: "any-ordr" is not one '
         'of in-order, any-order; did you mean "any-order"?'),
        (LEAST + '[search]\nstrategy = "script"\nscript = [{ run = "guest" }]\n'
         'string_stores = "any-order"',
         'search.string_stores: "any-order" is for strategies that try more than one order; a '
         "script is in-order"),
        (LEAST + 'daemon.model = "xenstore"', 'daemon.model: "xenstore" is not one of xenstored, '
         'oxenstored, rfc-v2; did you mean "xenstored"?'),
        (LEAST + 'daemon.features = ["error", "bit 17"]', 'daemon.features[1]: "bit 17" is not one '
         "of reconnection, error, watch-depth, domid-any or an integer"),
        (LEAST + 'expect.hung = "Never"', 'expect.hung: "Never" is not one of always, sometimes, '
         'never; did you mean "never"?'),
        # Wrong types, in TOML's words.
        ("title = 1", "title: expected a string, got the integer 1"),
        ("title = 1979-05-27", "title: expected a string, got the date or time 1979-05-27"),
        ("title = nan", "title: expected a string, got the number nan"),
        (LEAST + "ring = 1", "ring: expected a table, got the integer 1"),
        (LEAST + 'ring.fill = "a\\nb"', 'ring.fill: expected an integer, got the string "a\\nb"'),
        (LEAST + "ring.fill = true", "ring.fill: expected an integer, got true"),
        (LEAST + "ring.fill = 1.0", "ring.fill: expected an integer, got the number 1.0"),
        (LEAST + "daemon.drop_layers = 1", "daemon.drop_layers: expected true or false, got the "
         "integer 1"),
        (LEAST + "daemon.features = [1.5]", "daemon.features[0]: expected one of reconnection, "
         "error, watch-depth, domid-any or an integer, got the number 1.5"),
        (LEAST + "search.strategy = 1", "search.strategy: expected one of exhaustive, bounded, "
         "random, script, pct, got the integer 1"),
        (LEAST + 'search.script = { run = "guest" }', "search.script: expected a list of tables, "
         "got a table; write [[search.script]]"),
        (LEAST + "variant.name = 'a'", "variant: expected a list of tables, got a table; write "
         "[[variant]]"),
        ('title = "t"\nboot.chain = "a"', 'boot.chain: expected a list, got the string "a"'),
        (chain("3"), "boot.chain[0]: expected a string or a table, got the integer 3"),
        # Ranges.
        (LEAST + "ring.fill = 256", "ring.fill: 256 is too large; at most 255"),
        (LEAST + "ring.fill = -1", "ring.fill: -1 is too small; at least 0"),
        (LEAST + "ring.connection = 2", "ring.connection: 2 is too large; at most 1"),
        (LEAST + "ring.req_index = 0x100000000",
         "ring.req_index: 4294967296 is too large; at most 0xffffffff"),
        (LEAST + f"ring.req_index = 0x1{'0' * 5000}",
         "ring.req_index: a huge integer is too large; at most 0xffffffff"),
        (LEAST + "ring.port = 0", "ring.port: 0 is too small; at least 1"),
        (LEAST + "ring.port = 1024", "ring.port: 1024 is too large; at most 1023"),
        (LEAST + "daemon.features = [32]", "daemon.features[0]: 32 is too large; at most 31"),
        (LEAST + "search.runs = 0", "search.runs: 0 is too small; at least 1"),
        # What must be there.
        ("", "title: missing; expected a string"),
        ('title = ""', "title: may not be empty"),
        ('title = " "\nboot.chain = ["a"]', "title: may not be empty"),
        (LEAST.replace('"t"', '"a\\nb"'), 'title: must be one line of text, got "a\\nb"'),
        ('title = "t"\nexpect.hung = "never"', "boot.chain: missing; name at least one image"),
        (chain(""), "boot.chain: may not be empty"),
        (chain("{ requests = [] }"), "boot.chain[0].image: missing; expected a string"),
        ('title = "t"\nboot.chain = ["a"]', "expect: names no outcome; at least one of connected, "
         "refused, corrupted, hung, crashed"),
        (LEAST + "variant = []", "variant: may not be empty"),
        # Images.
        (chain('"My Image"'), 'boot.chain[0]: "My Image" is neither the name of a built-in image '
         "nor a path (a path has a / or ends in .elf)"),
        (chain('"a", { image = "" }'), 'boot.chain[1].image: "" is neither the name of a built-in '
         "image nor a path (a path has a / or ends in .elf)"),
        (chain('{ image = "a", stop = {} }'), "boot.chain[0].stop: says nothing; give one of "
         "console, requests, and hlt = true"),
        (chain('{ image = "a", stop = { hlt = false } }'), "boot.chain[0].stop: says nothing; give "
         "one of console, requests, and hlt = true"),
        (chain('"b", { image = "a", stop = { requests = 3, hlt = true } }'), "boot.chain[1].stop: "
         "has requests and hlt; give one of console, requests, and hlt = true"),
        (chain('{ image = "a", stop = { requests = 0 } }'), "boot.chain[0].stop.requests: 0 is too "
         "small; at least 1"),
        (chain('{ image = "a", stop = { console = "" } }'), "boot.chain[0].stop.console: may not "
         "be empty"),
        (chain('{ image = "a", stop = { console = "→" } }'), 'boot.chain[0].stop.console: "→" is '
         "not ASCII"),
        (chain('"b", { image = "a", type = "→" }'), 'boot.chain[1].type: "→" is not ASCII'),
        (chain('{ image = "a", type = "" }'), "boot.chain[0].type: may not be empty"),
        (chain(f'{{ image = "a", type = "{"x" * 1025}" }}'), "boot.chain[0].type: has 1,025 bytes; "
         "the console's ring holds 1,024"),
        (chain(f'{{ image = "a", type = "{"x" * 1000}" }}, "c", {{ image = "b", type = '
               f'"{"x" * 25}" }}'),
         "boot.chain[2].type: has 25 bytes behind the 1,000 of earlier entries; the console's "
         "ring holds 1,024"),
        (chain('"images/"'), 'boot.chain[0]: "images/" names no file'),
        (chain('"./a\\u0000b"'), 'boot.chain[0]: "./a\\u0000b" has characters that do not print'),
        # Requests.
        (request("raed k"), 'boot.chain[0].requests[1]: "raed" is not one of read, write, mkdir, '
         "rm, directory, directory-part, get-perms, set-perms, watch, unwatch, event, "
         "until, reset-watches, transaction, commit, abort, get-domain-path, message, send, raw, "
         'partial, suspend; did you mean "read"?'),
        (request("read k\\nread l"), "boot.chain[0].requests[1]: a request is one line of text; "
         '"\\n" may not stand in it'),
        (request("watch k " + "t" * 4094), "boot.chain[0].requests[1]: a payload has at most 4096 "
         "bytes; with this token it has 4097"),
        (request("tx my read k"), 'boot.chain[0].requests[1]: no transaction "my" is open here'),
        (request("watch k t 1"), "boot.chain[0].requests[1]: the daemon does not offer depths: "
         '"watch-depth" in daemon.features does, and where it is not, the answer is an error'),
        (request("read k!ENOENTT"), 'boot.chain[0].requests[1]: "ENOENTT" is not one of EINVAL, '
         "EACCES, EEXIST, EISDIR, ENOENT, ENOMEM, ENOSPC, EIO, ENOTEMPTY, ENOSYS, EROFS, EBUSY, "
         'EAGAIN, EISCONN, E2BIG, EPERM, EQUOTA; did you mean "ENOENT"?'),
        # Store.
        (LEAST + 'store.hvmloader.bios = "x"', "store.hvmloader: expected a string, got a table; "
         'quote the key: "hvmloader/bios" = …'),
        (LEAST + '[store.a.b]\nc = 1', 'store.a: expected a string, got a table; quote the key: '
         '"a/b/c" = …'),
        (LEAST + "store.a = 5", "store.a: expected a string, got the integer 5"),
        (LEAST + 'store."a b" = ""', 'store."a b": " " may not stand in a path; letters, digits, '
         "and the characters - / _ @ may"),
        (LEAST + 'store."a/" = ""', 'store."a/": a path may not end in "/"'),
        (LEAST + f'store.a = "{"x" * 4097}"', "store.a: a value has at most 4096 bytes, this one "
         "has 4097"),
        # Options of another choice.
        (LEAST + '[search]\nstrategy = "script"\nscript = [{ run = "guest" }]\nruns = 3',
         'search.runs: no option of strategy "script"; it belongs to pct and random'),
        (LEAST + '[search]\nstrategy = "random"\nscript = [{ run = "guest" }]',
         'search.script: no option of strategy "random"; it belongs to bounded, exhaustive and '
         'script'),
        (LEAST + '[search]\nruns = 3',
         'search.runs: no option of strategy "exhaustive" (the default); it belongs to pct and '
         'random'),
        (LEAST + '[search]\nstrategy = "pct"\nbound = 2',
         'search.bound: no option of strategy "pct"; it belongs to bounded'),
        (LEAST + '[search]\nstrategy = "exhaustive"\nseed = 2',
         'search.seed: no option of strategy "exhaustive"; it belongs to pct and random'),
        (LEAST + 'search.strategy = "script"',
         'search.script: strategy "script" needs a script of at least one step'),
        (LEAST + "daemon.version = 1",
         'daemon.version: no option of model "xenstored" (the default); it belongs to rfc-v2'),
        (LEAST + '[daemon]\nmodel = "rfc-v2"\nfeatures = []',
         'daemon.features: no option of model "rfc-v2"; it belongs to oxenstored and xenstored'),
        (LEAST + "[ring]\nxenstore = false\nfill = 0\npending = true",
         "ring.pending: there is no ring: ring.xenstore is false"),
        (LEAST + 'daemon.mistake = "no-signal"',
         'daemon.mistake: "no-signal" is no mistake of xenstored; oxenstored can make it'),
        (LEAST + '[daemon]\nmodel = "rfc-v2"\nmistake = "misses-notify"',
         'daemon.mistake: no option of model "rfc-v2"; it belongs to oxenstored and xenstored'),
        (LEAST + '[daemon]\nmodel = "oxenstored"\nmistake = "nosignal"',
         'daemon.mistake: "nosignal" is not one of clears-early, looks-late, no-signal, '
         'never-clears, never-closes, misses-notify, wakes-late, clears-events, one-at-a-time, '
         'forgets-half, dies-in-reset, over-reads, unchecked, ignores-full, stops-at-wrap, '
         'old-opcode, waits-for-body, negative-length; did you mean "no-signal"?'),
        (LEAST + 'daemon.features = ["error", 3, 1]',
         "daemon.features[2]: 1 is the same bit as error"),
        # Scripts.
        (SCRIPT % 'until = "halt"', "search.script[1].run: missing; expected a string"),
        (SCRIPT % 'run = "guest", until = "stoer req_prod"', 'search.script[1].until: "stoer" is '
         "not one of load, store, rmw, fence, send, unmask, wait, halt, act; "
         'did you mean "store"?'),
        (SCRIPT % 'run = "guest", until = "halt", stage = "frontned"', "search.script[1].stage: "
         '"frontned" is not in the boot chain (reset-poison, frontend); did you mean "frontend"?'),
        (SCRIPT % 'run = "daemon", until = "halt", stage = "frontend"',
         'search.script[1].stage: only run = "guest" has stages'),
        (SCRIPT % 'run = "guest", nth = 2',
         "search.script[1].nth: says which event is meant, but there is no until"),
        (SCRIPT % 'run = "guest", stage = "frontend"',
         "search.script[1].stage: says which event is meant, but there is no until"),
        (SCRIPT % 'run = "guest", until = "halt", nth = 0',
         "search.script[1].nth: 0 is too small; at least 1"),
        # Expectations that exclude each other.
        (LEAST + 'expect.hung = "always"', 'expect.hung: "always" contradicts connected = '
         '"always": an execution has one outcome'),
        (LEAST + 'expect.refused = "sometimes"', 'expect.refused: "sometimes" contradicts '
         'connected = "always": an execution has one outcome'),
        ('title = "t"\nboot.chain = ["a"]\nexpect.connected = "sometimes"\nexpect.hung = "always"',
         'expect.connected: "sometimes" contradicts hung = "always": an execution has one outcome'),
        ('title = "t"\nboot.chain = ["a"]\n[expect]\nconnected = "never"\nrefused = "never"\n'
         'corrupted = "never"\nhung = "never"\ncrashed = "never"',
         "expect: no outcome is allowed, but every execution has one"),
        ('title = "t"\nboot.chain = ["a"]\n[expect]\nhung = "sometimes"\nrefused = "sometimes"\n'
         '[search]\nstrategy = "script"\nscript = [{ run = "guest" }]',
         'expect.hung: "sometimes" contradicts refused = "sometimes": a script is one execution, '
         "with one outcome"),
        (LEAST + 'expect.rules.all = "broken"',
         'expect.rules.all: can only be "kept"; name the rules that are broken'),
        # The other side.
        ('pair = "y.toml"\n' + LEAST, 'pair: "y.toml": no such file beside this one'),
        ('pair = "\\u0000"\n' + LEAST, 'pair: "\\u0000": no such file beside this one'),
        (f'pair = "{"y" * 300}"\n' + LEAST, f'pair: "{"y" * 71}…": no such file beside this one'),
        ('pair = "./x.toml"\n' + LEAST, 'pair: "./x.toml" is this file itself'),
        # Variants: the key says where the mistake stands, in the variant or in the base.
        (VARIANT + 'expect.conected = "always"',
         'variant[1].expect.conected: unknown key; did you mean "connected"?'),
        (VARIANT + "seed = 1", "variant[1].seed: unknown key; it belongs in [variant.search]"),
        (VARIANT + "boot.stop.hlt = true",
         "variant[1].boot.stop: unknown key; it belongs in an entry of variant.boot.chain"),
        (VARIANT + 'expect.hung = "always"', 'variant[1].expect.hung: "always" contradicts '
         'connected = "always": an execution has one outcome'),
        (VARIANT + 'search.strategy = "script"', 'variant[1].search.script: strategy "script" '
         "needs a script of at least one step"),
        (VARIANT + "search.bound = 1", 'variant[1].search.bound: no option of strategy '
         '"exhaustive" (the default); it belongs to bounded'),
        ("daemon.version = 3\n" + VARIANT, 'daemon.version: no option of model "xenstored" (the '
         'default); it belongs to rfc-v2 (in variant "a")'),
        (VARIANT + 'title = "a\\tb"', 'variant[1].title: must be one line of text, got "a\\tb"'),
        (VARIANT + '[[variant]]\nname = "a"', 'variant[2].name: "a" is the name of two variants'),
        (VARIANT + '[[variant]]\nname = "A b"',
         'variant[2].name: "A b" is not a name; lower-case letters, digits and - make one'),
        (VARIANT + "[[variant]]", "variant[2].name: missing; expected a string"),
        (VARIANT.replace('"t"', '"a\\u2028b"'),
         'title: must be one line of text, got "a\\u2028b"'),
        # Not TOML.
        ("title = \n", "line 1, column 9: not valid TOML: Invalid value"),
        ('a = 1\nb = "', "line 2, column 6: not valid TOML: Unterminated string (end of the file)"),
        ('[store]\nhvmloader/bios = "seabios"', "line 2, column 10: not valid TOML: Expected '=' "
         'after a key in a key/value pair; a key with a "/" needs quotes'),
        ("a = 1\na = 2", "line 2, column 6: not valid TOML: Cannot overwrite a value "
         "(end of the file)"),
        (f"a = {'9' * 5000}", "not a scenario: an integer in it is huge"),
        (f"a = {'[' * 5000}", "not a scenario: nested too deeply"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line(text: str, line: str) -> None:
    """The whole line, as a user sees it."""
    assert complaint(text) == f"x.toml: {line}"


def test_the_first_mistake_in_the_file_is_named() -> None:
    """Where there are several: the order is the file's, and a missing key comes last."""
    assert complaint("zzz1 = 1\nzzz2 = 2").startswith("x.toml: zzz1: ")
    assert complaint("[ring]\nfill = -1\nport = 0").startswith("x.toml: ring.fill: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, not a file at all, not UTF-8, below a file, an impossible name."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin.toml").write_bytes(b'title = "t"\n# caf\xe9\n')
    write("")
    for name, line in [
        ("missing.toml", "missing.toml: no such file"),
        ("folder", "folder: is a folder, not a regular file"),
        ("pipe", "pipe: is a pipe, not a regular file"),
        ("latin.toml", "latin.toml: line 2: not UTF-8 (byte 0xe9)"),
        ("x.toml/y.toml", "x.toml/y.toml: cannot be read: Not a directory"),
        ("a\0b", "a\\x00b: not a possible file name"),
    ]:
        with pytest.raises(InputError) as caught:
            load(Path(name))
        assert str(caught.value) == line


def test_a_file_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: tests may run as a user who may read everything."""

    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    path = write(LEAST)
    assert stat.S_ISREG(path.stat().st_mode)
    monkeypatch.setattr("guestsim.files.os.open", refuse)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value) == "x.toml: cannot be read: Permission denied"
