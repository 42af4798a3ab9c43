"""Pure functions on notebooks: reading, analysis, planning, comparison."""
