"""Files of music in, and what a Score is like: MIDI, MusicXML, ABC, Humdrum; keys, instruments, descriptors."""
