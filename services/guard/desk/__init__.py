"""The review desk: what it keeps of the topics, what its pages ask of that, and the decisions it publishes."""
