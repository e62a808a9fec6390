"""Records, tables, pictures and the page of finished tracks."""
