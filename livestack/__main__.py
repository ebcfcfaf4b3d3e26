"""``python -m livestack``: the command line."""

from livestack.cli.main import main

main()
