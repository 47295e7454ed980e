"""The people's pages: signing in through the district, activation, and classes."""
