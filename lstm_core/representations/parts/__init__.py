"""The notes of a piece part by part, given its plan."""
