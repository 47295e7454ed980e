"""OneRoster 1.0, 1.1 and 1.2: REST, ClassLink's proxy, CSV packages."""
