"""The matter: tickets, the law as data, the five elements, which unit; storage."""
