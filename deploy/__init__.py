"""What Rollcall runs on: the embedded local stack, the sandbox providers."""
