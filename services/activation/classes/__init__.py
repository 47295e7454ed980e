"""The classes of the product's accounts, synced and personal: what an account sees, and what it may do there.

The database decides; here its answers and its refusals become Python's. Connections are of the role rollcall_product.
"""
