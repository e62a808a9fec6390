"""How sections in other keys and meters are composed: in one home key, and moved; over bars of their own length."""
