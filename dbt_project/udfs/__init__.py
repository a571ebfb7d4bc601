"""Pure functions of the warehouse: arrays in, arrays out, no file and no network."""
