"""A Score, files of music in and out, and descriptions of a Score: keys, instruments, descriptors."""
