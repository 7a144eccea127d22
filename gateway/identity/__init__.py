"""Who is calling: tokens that the gate made, and JWTs of the issuers it trusts."""
