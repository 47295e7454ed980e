"""Runs the sandbox providers."""

from deploy.sandbox.server import main

main()
