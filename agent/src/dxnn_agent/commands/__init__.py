"""What the command line offers, a module each: it gathers, lets decide, and carries out."""
