# SPDX-License-Identifier: MIT
"""The report as one HTML page."""
from html import escape

from table import Table


def html(analysis):
    text = Table(analysis, False, 200).text()
    return f"<!doctype html><meta charset=utf-8><pre>{escape(text)}</pre>\n"
