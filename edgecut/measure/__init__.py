"""How fast artifacts run, and whether the machine was quiet enough to say so."""
