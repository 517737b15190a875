"""Goal pictures: shown by scripts in the simulator or taken from bags, and who reaches them."""
