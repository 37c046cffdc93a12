"""`python -m pyq8`."""

from pyq8.cli import main

main()
