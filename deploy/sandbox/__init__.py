"""Sandbox providers: HTTP servers that speak Clever's and OneRoster's contracts from generated districts."""
