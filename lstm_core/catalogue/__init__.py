"""Finished tracks in a folder: records, tables, page, piano rolls."""
