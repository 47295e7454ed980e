"""The HTTP interface of the product: what its accounts see and do in their classes, as OpenAPI describes it."""
