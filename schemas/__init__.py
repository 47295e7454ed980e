"""The contract: roster records, events, topics. JSON Schema and AsyncAPI are generated from what stands here."""
