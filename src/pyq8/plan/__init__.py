"""What becomes INT8 and with which parameters; the file that says so."""
