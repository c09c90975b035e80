"""The words of the page, in the languages of people."""
