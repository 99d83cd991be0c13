"""From a person's document to the frozen job model, or to the list of everything wrong with it."""
