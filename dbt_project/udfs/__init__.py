"""Pure functions of the warehouse: what SQL cannot say, vectorised and without I/O."""
