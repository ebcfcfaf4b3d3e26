"""What a livestack process shows of itself where it hangs or crashes, and what it does not leave on the disk.

Stacks on SIGUSR2. Whoever walks through the frames of a thread that runs may find one that is gone, and end the process
(it has been seen to). So the signal is blocked everywhere but in one thread, which waits for it, takes the interpreter
(then no other thread runs Python) and writes every stack into memory; they go out once the interpreter is let go, as a
reader or a disk that stands still must hold up nobody else. While that thread waits for an interpreter that is held by
C code a second signal is handled on the spot, without the interpreter: frames stand still then, too.

First thing of a process, on its main thread, before any other one runs: threads inherit what is blocked. Imports how
the log writes to a stream.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import stat
import threading
import time
from contextlib import suppress

from livestack.telemetry.log_streams import PATIENCE_S, write_all

NO_CORE = 1
"""Bytes. Less than any core dump has; and to this limit alone the kernel pays heed where dumps go to a program, too."""

_ASKED = frozenset({signal.SIGUSR2})


def prepare() -> None:
    """SIGUSR2, from now on, has every thread's stack shown on stderr; a crash does so too, and leaves no core dump."""
    leave_no_core()
    have_standard_streams()
    stderr = _stderr()
    faulthandler.enable(file=stderr, all_threads=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)  # whoever started us may have ignored it
    faulthandler.register(signal.SIGUSR2, file=stderr, all_threads=True, chain=False)
    listens = threading.Event()
    threading.Thread(target=_show, args=(stderr, listens), name="stacks", daemon=True).start()
    listens.wait()  # C code may take the interpreter next, and not give it back


def stacks() -> bytes:
    """Every thread's stack, as text. The interpreter is held meanwhile, and nothing is waited for."""
    memory = os.memfd_create("stacks")
    try:
        faulthandler.dump_traceback(file=memory, all_threads=True)
        return os.pread(memory, os.fstat(memory).st_size, 0)
    finally:
        os.close(memory)


def _show(stderr: int, listens: threading.Event) -> None:
    """The thread that waits for the signal. A process that ignores it shows nothing."""
    while True:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED)
        listens.set()
        signal.sigwait(_ASKED)
        signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED)  # others run while it is written: none on the spot
        if signal.getsignal(signal.SIGUSR2) is not signal.SIG_IGN:
            with suppress(OSError):
                _write(stderr, stacks())
        while signal.sigtimedwait(_ASKED, 0) is not None:
            pass  # who asked meanwhile has been answered


def _write(stderr: int, text: bytes) -> None:
    until_s = time.monotonic() + PATIENCE_S
    write_all(stderr, text, lambda: time.monotonic() < until_s)


def leave_no_core() -> None:
    """A dump is the process's memory, keys and all. Children inherit this; the hard limit stays as it is."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    limit = NO_CORE if most == resource.RLIM_INFINITY else min(NO_CORE, most)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, most))


def have_standard_streams() -> None:
    """What is written to descriptors 0 to 2 goes nowhere where they were closed, and never into a file of ours."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _stderr() -> int:
    """A descriptor of where stderr leads that does not block: who handles a signal on the spot cannot wait.

    A file cannot block, and would be written from its beginning by a descriptor with a position of its own; a socket
    cannot be opened a second time.
    """
    try:
        kind = os.fstat(2).st_mode
        if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
            return os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass  # another user's terminal, another system
    return 2
