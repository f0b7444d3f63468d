"""`python -m tokentape_harness.cli`: the command line, if the script is not on the path."""

from tokentape_harness.cli import main

main()
