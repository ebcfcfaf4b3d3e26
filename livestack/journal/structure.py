"""Whether liblmdb may read a segment's file: its structure, looked at by Python before liblmdb sees it. No writing.

A bad page makes liblmdb end the process (reliability.md section 2), so nothing of a file that may be damaged is read
before it was walked here. :func:`verify` walks all of it. :func:`verify_part` walks what reading from one position on
can touch, and nothing else: the meta pages, the tree of names, and of each database the pages on the way to that
position, the ones behind it, and the neighbours before it to which a cursor may step back. That is as safe for such a
reader as the whole: liblmdb reaches a page only through one above it, every page that it reaches on those ways was
walked, and a read-only environment never looks at the list of free pages. It was chosen over a process that is
sacrificed to try the same reads, because that proves only what the same bytes do at other addresses. Any one thread.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from lmdb import verify as lmdb_verify

from livestack.journal.clean import DATA_NAME
from livestack.journal.format import CHAIN, EVENTS, key_of, seq_of

PROBLEMS_MAX = 3
"""In one sentence; the rest says the same again."""

_NODE = struct.Struct("=4H")
"""Of a branch: its child's page number in three parts, lowest first, and its key's size."""


_library: Any = lmdb_verify
_Verifier = _library._Verifier


def verify(segment: Path) -> str:
    """What is structurally wrong with a segment's file, '' nothing."""
    return _problems(segment, _Verifier)


def verify_part(segment: Path, from_seq: int) -> str:
    """What is wrong with what is touched by reading from the last commit before ``from_seq`` on, '' nothing.

    ``SEQ_MAX``: header and newest position only.
    """
    return _problems(segment, lambda file, size: _PartVerifier(file, size, from_seq))


def _problems(segment: Path, make_verifier: Any) -> str:
    try:
        with (segment / DATA_NAME).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            verifier = make_verifier(file, size)
            problems = list(verifier.verify())
            # verify looks at the first page of a large value only: the others must be inside the file too
            if (verifier.live.rfind(1) + 1) * verifier.psize > size:
                problems.append("it ends before its last page")
    except Exception as error:  # noqa: BLE001 - any bytes whatever, read by pure Python
        return f"not a sound LMDB file: {error}"
    return "; ".join(str(problem) for problem in problems[:PROBLEMS_MAX])


class _PartVerifier(_Verifier):  # type: ignore[misc, valid-type]
    """The library's walk without the children of a branch that cannot hold what will be read.

    Counters, free pages and the cover of the whole file cannot be compared then: they say nothing about what one page
    does to a reader. Instead every leaf must be at the depth that its tree says.
    """

    def __init__(self, file: Any, size: int, from_seq: int) -> None:
        super().__init__(file, size)
        # Of the records everything, until the chain says that a commit ends before what is read.
        self._low = {_name(CHAIN): key_of(from_seq), _name(EVENTS): key_of(0)}
        self._passed_over: dict[int, set[int]] = {}  # by the depth at which they hang
        self._depth = 0

    def verify(self) -> list[Any]:
        self.detect_engine()
        self.load_metas()
        self.live = bytearray(self.next_pgno)
        if _library._bad_db_flags(self.meta.free.flags):
            self.err(f"freeDB has flags {self.meta.free.flags:#x}")
        if self.meta.main.pad > self.psize - self.hdrsz:
            self.err(f"main DB has padding {self.meta.main.pad}")
        # Names are in order: the chain comes before the records, and says where the commit begins that is read first.
        self._verify_tree("main", self.meta.main, _library._cmp_lexical, None, is_free=False)
        return list(self.errors)

    def _verify_tree(self, name: str, db: Any, key_cmp: Any, dup_cmp: Any, is_free: bool) -> tuple[int, int]:
        self._passed_over.clear()
        if db.flags:
            self.err(f"{name} DB has flags {db.flags:#x}")
            return 0, 0
        walked: tuple[int, int] = super()._verify_tree(name, db, key_cmp, dup_cmp, is_free)
        return walked

    def _check_counts(self, name: str, db: Any, ctx: Any) -> None:
        if name not in self._low:
            super()._check_counts(name, db, ctx)

    def _walk_page(self, ctx: Any, pgno: int, depth: int) -> None:
        if pgno not in self._passed_over.get(depth, ()):
            self._depth = depth
            super()._walk_page(ctx, pgno, depth)

    def _walk_branch(self, ctx: Any, pgno: int, buf: bytes, depth: int) -> None:
        children, low = self._children(buf), self._low.get(ctx["name"])
        if depth >= ctx["db"].depth or len(children) < 2:
            self.err(f"{ctx['name']} DB: branch page {pgno} at depth {depth} has {len(children)} children")
            return
        first = 0
        if low is not None:
            if {len(low)} != {len(key) for key, _ in children[1:]}:
                self.err(f"{ctx['name']} DB: branch page {pgno} has a key of another length")
                return
            while first + 1 < len(children) and children[first + 1][0] <= low:
                first += 1
            first = max(first - 1, 0)  # where a cursor may step back to
        kept = {child for _, child in children[first:]}
        self._passed_over[depth + 1] = {child for _, child in children[:first]} - kept
        super()._walk_branch(ctx, pgno, buf, depth)

    def _walk_leaf(self, ctx: Any, pgno: int, buf: bytes) -> None:
        if self._depth != ctx["db"].depth:
            self.err(f"{ctx['name']} DB: leaf page {pgno} is at depth {self._depth}")
            return
        super()._walk_leaf(ctx, pgno, buf)

    def _walk_leaf2(self, ctx: Any, pgno: int, buf: bytes) -> None:
        self.err(f"{ctx['name']} DB: page {pgno} is of a kind that no journal has")

    def _leaf_value(self, ctx: Any, pgno: int, i: int, buf: bytes, o: int, *rest: Any) -> None:
        key: bytes = rest[-1]
        if ctx["name"] == _name(CHAIN) and key < self._low[_name(CHAIN)] and len(key) == len(key_of(0)):
            self._low[_name(EVENTS)] = key_of(seq_of(key) + 1)
        super()._leaf_value(ctx, pgno, i, buf, o, *rest)

    def _children(self, buf: bytes) -> list[tuple[bytes, int]]:
        """Lowest key and page of each child; what is out of bounds is left to the walk, which says so."""
        children = []
        for i in range(self._numkeys(self._pg_lower(buf, 0))):
            at = self._node_off(buf, 0, i)
            low, high, above, size = _NODE.unpack_from(buf, at)
            children.append((buf[at + _NODE.size : at + _NODE.size + size], low | high << 16 | above << 32))
        return children


def _name(database: bytes) -> str:
    """As the library calls it."""
    return f"main/{database.decode()}"
