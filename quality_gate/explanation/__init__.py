"""Where in a photo a network found what it answered: several methods behind one interface, and the picture of a map."""
