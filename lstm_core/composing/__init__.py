"""From an order to the notes of a track: the rules of its plan, the plan, the rules of its parts, and the parts."""
