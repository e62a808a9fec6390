"""What loops have besides: an intro before them, points where they go round, a seam."""
