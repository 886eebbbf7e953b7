"""A page on this computer where a machine's sizes move and what follows is seen at once."""
