"""Guard: lets a change set through or holds it for a person."""
