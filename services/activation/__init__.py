"""Activation: whose account a rostered person has."""
