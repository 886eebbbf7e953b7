"""The simulator's claims, each as a comparison that anyone can run."""
