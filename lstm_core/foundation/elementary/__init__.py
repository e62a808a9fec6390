"""Powers, logarithms and angles whose every bit is the same on every processor and with every C library."""
