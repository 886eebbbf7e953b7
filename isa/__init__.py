"""What is executed: instructions, programs, their text and binary forms, and their meaning."""
