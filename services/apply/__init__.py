"""Apply: puts an approved change set into the accounts database whole, and tells everybody."""
