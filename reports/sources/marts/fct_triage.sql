select * from marts.fct_triage
