"""Pictures: what each shows as a record, and how it is drawn."""
