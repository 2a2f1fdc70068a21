"""The catalogue of findings: what each kind means and what its choices do, by what it is about."""
