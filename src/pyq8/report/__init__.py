"""The report: everything that is known of a quantized model on one HTML page.

One file a section gathers its data into frozen dataclasses; `page.py` makes HTML of them.
"""
