"""The local stack: an embedded Apache Kafka, an embedded PostgreSQL and every worker, as children of one supervisor."""
