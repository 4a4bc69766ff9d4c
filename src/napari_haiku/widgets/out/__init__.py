"""Controls that hand results on: the export menu and the table of regions."""
