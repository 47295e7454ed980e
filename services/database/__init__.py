"""The accounts database: connections, migrations, named queries."""
