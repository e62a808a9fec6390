"""A Score, files of music in and out, and what a Score is like: keys, instruments, descriptors."""
