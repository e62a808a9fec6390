"""How sections in other keys are composed: in one home key, and moved."""
