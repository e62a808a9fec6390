"""The corpus that the base checkpoint is trained on."""
