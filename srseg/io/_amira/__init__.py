"""Files of Amira and Avizo."""
