"""Industrial cameras, whichever library reaches them: a back end is a file here."""
