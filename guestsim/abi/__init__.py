"""Xen's public ABI as data: constants and layouts, one module per upstream header.

Names are upstream's. `firmware/include/xen/` says the same in C, and a test compares the two.
"""
