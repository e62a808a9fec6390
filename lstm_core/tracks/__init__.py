"""Events become a finished track: identity, audio, record, gates."""
