"""What is left of an account: vendors' own words for it (usage calls, reply headers) → windows. No I/O, no Django."""
