"""Mutations of stored bytes: flipped bits, changed bytes, truncation, and mistakes of an editor or a copy.

Each is a generator of damaged bytes: all of them for a small file, about ``most`` at random for a large one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Mutation = Callable[[bytes, random.Random, int], Iterator[bytes]]
JUNK = (
    b"\0",
    b"\n",
    b" ",
    b"0",
    b"}",
    b"\xff\xfe",
    b"deadbeef [",
    b"null",
    b'"x":1,',
    b"\xe2\x80\xa8",
    b"1e999",
    b"\r",
)


def positions(length: int, chance: random.Random, most: int) -> list[int]:
    """All of ``length`` positions, or ``most`` of them."""
    return list(range(length)) if length <= most else sorted(chance.sample(range(length), most))


def bits(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """Each bit of each byte flipped."""
    for at in positions(len(data), chance, most):
        for bit in range(8):
            yield _with(data, at, bytes([data[at] ^ 1 << bit]))


def values(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """Bytes changed to each of the 255 other values."""
    for at in positions(len(data), chance, most // 20):
        for value in range(256):
            if value != data[at]:
                yield _with(data, at, bytes([value]))


def cuts(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """Cut at each length."""
    for at in positions(len(data), chance, most):
        yield data[:at]


def insertions(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """Garbage inserted."""
    for at in positions(len(data), chance, most // 2):
        yield data[:at] + _junk(chance) + data[at:]


def appended(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """Garbage after the end."""
    for junk in JUNK:
        yield data + junk
    for _ in range(most // 20):
        yield data + _junk(chance)


def swaps(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """Two bytes swapped, adjacent or not."""
    for at in positions(len(data) - 1, chance, most // 2):
        for other in (at + 1, chance.randrange(len(data))):
            if data[at] != data[other]:
                yield _with(_with(data, at, data[other : other + 1]), other, data[at : at + 1])


def lines(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """A line dropped, doubled, or swapped with the one before."""
    whole = data.splitlines(keepends=True)
    for at in positions(len(whole), chance, most):
        yield b"".join(whole[:at] + whole[at + 1 :])
        yield b"".join([*whole[: at + 1], *whole[at:]])
        if at:
            yield b"".join([*whole[: at - 1], whole[at], whole[at - 1], *whole[at + 1 :]])


def members(data: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    """A member of a JSON object dropped, doubled, or swapped with another."""
    for start, text in _json(data):
        tree = json.loads(text, object_pairs_hook=_Pairs)
        there = list(_objects(tree))
        for _ in range(min(most // 10, 40 * len(there))):
            pairs = chance.choice(there)
            before, at, other = list(pairs), chance.randrange(len(pairs)), chance.randrange(len(pairs))
            change = chance.randrange(3)
            if change == 0:
                del pairs[at]
            elif change == 1:
                pairs.insert(other, pairs[at])
            else:
                pairs[at], pairs[other] = pairs[other], pairs[at]
            yield data[:start] + _text(tree).encode() + data[start + len(text) :]
            pairs[:] = before


MUTATIONS: dict[str, Mutation] = {
    "a bit flipped": bits,
    "a byte changed": values,
    "cut": cuts,
    "garbage inside": insertions,
    "garbage appended": appended,
    "two bytes swapped": swaps,
    "a line dropped, doubled, moved": lines,
    "a member dropped, doubled, moved": members,
}


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in order, with duplicates."""


def _with(data: bytes, at: int, byte: bytes) -> bytes:
    return data[:at] + byte + data[at + 1 :]


def _junk(chance: random.Random) -> bytes:
    return chance.choice(JUNK) if chance.random() < 0.5 else chance.randbytes(chance.randint(1, 20))


def _json(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The JSON documents in ``data`` with their offsets: the whole, or one after the checksum of each line."""
    try:
        json.loads(data)
        yield 0, data.rstrip(b"\n")
    except ValueError:
        start = 0
        for line in data.splitlines(keepends=True):
            head = line.find(b" ") + 1
            yield start + head, line[head:].rstrip(b"\n")
            start += len(line)


def _objects(tree: Any) -> Iterator[_Pairs]:
    if isinstance(tree, _Pairs):
        if tree:
            yield tree
        for _, value in tree:
            yield from _objects(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _objects(item)


def _text(tree: Any) -> str:
    if isinstance(tree, _Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(value)}" for name, value in tree) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(_text, tree)) + "]"
    return json.dumps(tree)
