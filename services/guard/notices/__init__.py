"""Telling people: notices become mail to a district's contact and the operators, and posts to a webhook."""
