"""Label sets: placed, checked, counted, kept with every revision, compared."""
