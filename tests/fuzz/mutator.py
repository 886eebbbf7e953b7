"""Change a file a little, or badly: bytes, numbers, words, lines."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

#: Text that parsers of numbers stumble over, or that asks for far too much.
_NUMBERS = (
    *("0", "-1", "1", "2", "7", "255", "65536", "2147483647", "2147483648", "4294967296"),
    *("1000000", "999999999", "1000000000", "10000000000", "1000000000000000000"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", "1" + 39 * "0"),
    *(45 * "9", 5000 * "9", "1e400", "-1e400", "1e-400", "0.5", "-0.0", "1e9", "1E18", ".5"),
    *("nan", "NaN", ".nan", "inf", "Infinity", "-Infinity", ".inf", "0x7fffffff", "0o17", "1_000"),
    *("١٢", "true", "null", "~", '""', "[]", "{}", "2**31", "[1, 2, 3]", "1KiB", "1e12GB/s"),
)
_MAGNITUDES = (0, 1, 2, 3, 127, 128, 255, 0x7FFF, 0xFFFF, 1 << 20, 1 << 31, (1 << 31) - 1, 1 << 40)
_BYTES = (
    *(b"\0", b"\xff", b"\xc3\x28", b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r"),
    *(b"\xff" * 9 + b"\x01", b"\x80" * 8 + b"\x01", b"&a ", b"*a", b"<<: *a\n", b"!!x ", b"\t"),
    *(b"---\n", b"...\n", b"# ", b'"', b"'", b"\\u0000", b"{", b"}", b"[", b"]", b": ", b"- "),
    *(b"[" * 60, b"{a: " * 60, b"[" * 20_000, b"(" * 150, b"<" * 60, b"x {" * 2000),
)
_NUMBER = re.compile(rb"[-+]?\.?[0-9][0-9a-zA-Z.+]*")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_.]*")
_KEYED = re.compile(rb"""["']?[A-Za-z_][A-Za-z0-9_.]*["']?\s*:[^,{}\[\]\n]*,?""")


def mutated(content: bytes, others: Sequence[bytes], generator: random.Random) -> bytes:
    """Return a file with one to four changes.

    Parameters
    ----------
    content
        The file.
    others
        Files of the same format: words and parts come from them.
    generator
        Decides everything.
    """
    for _ in range(generator.choice((1, 1, 1, 1, 2, 2, 4))):
        if content:
            content = generator.choice(_CHANGES)(content, generator.choice(others), generator)
    return content


_Change = Callable[[bytes, bytes, random.Random], bytes]


def _flip(content: bytes, other: bytes, generator: random.Random) -> bytes:
    data = bytearray(content)
    data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return bytes(data)


def _overwrite(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """Put bytes over others: random ones, or a number as binary formats have them."""
    data = bytearray(content)
    place = generator.randrange(len(data))
    if generator.random() < 0.5:
        new = generator.randbytes(generator.randint(1, 4))
    else:
        number = generator.choice(_MAGNITUDES) * generator.choice((1, 1, -1))
        width = generator.choice((1, 2, 4, 8))
        new = (number % (1 << 8 * width)).to_bytes(width, "little")
    data[place : place + len(new)] = new
    return bytes(data)


def _insert(content: bytes, other: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(content) + 1)
    new = generator.choice(_BYTES) if generator.random() < 0.7 else generator.randbytes(3)
    return content[:place] + new + content[place:]


def _stretch(content: bytes, generator: random.Random) -> tuple[int, int]:
    """Return where a part of a file begins and ends: mostly a few bytes, sometimes all."""
    longest = min(len(content), generator.choice((3, 3, 3, 30, 30, 300, len(content))))
    start = generator.randrange(len(content))
    return start, min(start + generator.randint(1, longest), len(content))


def _cut(content: bytes, other: bytes, generator: random.Random) -> bytes:
    start, stop = _stretch(content, generator)
    return content[:start] + content[stop:]


def _duplicate(content: bytes, other: bytes, generator: random.Random) -> bytes:
    start, stop = _stretch(content, generator)
    times = generator.choice((1, 1, 2, 40))
    return content[:stop] + content[start:stop] * times + content[stop:]


def _splice(content: bytes, other: bytes, generator: random.Random) -> bytes:
    if not other:
        return content
    (start, stop), (first, last) = _stretch(content, generator), _stretch(other, generator)
    return content[:start] + other[first:last] + content[stop:]


def _replaced(content: bytes, pattern: re.Pattern[bytes], new: bytes, at: float) -> bytes:
    """Return a file in which one match of a pattern, at a share of all, is something else."""
    found = list(pattern.finditer(content))
    if not found:
        return content
    match = found[int(at * len(found))]
    return content[: match.start()] + new + content[match.end() :]


def _number(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """Put another number in the place of one: a small one as often as any."""
    small = str(generator.randint(-2, 40))
    new = generator.choice((small, generator.choice(_NUMBERS))).encode()
    return _replaced(content, _NUMBER, new, generator.random())


def _word(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """Put a word of another file in the place of one: an operator's name, a key, a reference."""
    words = _WORD.findall(other) or [b"x"]
    return _replaced(content, _WORD, generator.choice(words), generator.random())


def _value(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """Put a number in the place of a word."""
    new = generator.choice(_NUMBERS).encode()
    return _replaced(content, _WORD, new, generator.random())


def _entry(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """Leave out a key with its value, repeat it, or put one of another file in its place."""
    found = [match.group() for match in _KEYED.finditer(content)]
    if not found:
        return content
    at = generator.random()
    old = found[int(at * len(found))]
    there = _KEYED.findall(other) or [b""]
    joined = old if old.endswith(b",") else old + b", "
    new = generator.choice((b"", joined + old, generator.choice(there), joined + there[0]))
    return _replaced(content, _KEYED, new, at)


def _lines(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """Swap two lines, leave one out, repeat one, or move one to another depth."""
    lines = content.splitlines(keepends=True)
    first, second = generator.randrange(len(lines)), generator.randrange(len(lines))
    match generator.randrange(4):
        case 0:
            lines[first], lines[second] = lines[second], lines[first]
        case 1:
            del lines[first]
        case 2:
            lines.insert(second, lines[first])
        case _:
            lines[first] = b"  " + lines[first]
    return b"".join(lines)


_CHANGES: tuple[_Change, ...] = (
    *(_flip, _overwrite, _insert, _cut, _duplicate, _splice),
    *(_number, _number, _number, _number, _word, _word, _value, _entry, _entry, _lines),
)
