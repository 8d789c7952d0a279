"""Is guidance worth it: networks found under different guidance profiles, compared at equal error."""
