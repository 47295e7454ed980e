"""The review desk: what a reviewer sees and presses, as server-rendered pages."""
