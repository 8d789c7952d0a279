"""This toolkit beside other structured pruners: one protocol, one counter of multiply-accumulates."""
