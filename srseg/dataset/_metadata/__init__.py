"""What is known of a sample: keys, units, changes, and the spreadsheet."""
