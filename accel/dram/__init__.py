"""DRAM, bank by bank: constraints between commands, and two controllers' queues and policies."""
