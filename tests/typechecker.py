"""The run-time type check of the tests: beartype, with ints accepted for floats as PEP 484 has it."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
