"""What was read or heard becomes blocks: listing, parts, duplicates, assembly, pieces read back."""
