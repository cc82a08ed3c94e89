"""Texts from files: no terminal, no spreadsheet takes them for more than texts."""

from srseg.texts._cells import csv_text, guarded, unguarded
from srseg.texts._reason import reason_of
from srseg.texts._shown import shown

__all__ = ["csv_text", "guarded", "reason_of", "shown", "unguarded"]
