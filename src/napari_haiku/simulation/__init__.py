"""Virtual tissue: H&E, mIF and a clinical record made from the same cells, with known truth."""
