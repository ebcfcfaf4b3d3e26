"""``livestack`` and ``python -m livestack``: the command line.

Until the command is loaded an interrupt ends the process as it ends any other, without a traceback from the middle of
an import; ``livestack.cli.main`` makes it a KeyboardInterrupt again.
"""

import signal


def main() -> None:
    """Entry point of the process. A parent's wish that interrupts be ignored is kept."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from livestack.cli import main as command_line  # noqa: PLC0415 - it takes a while: see above

    command_line.main()


if __name__ == "__main__":
    main()
