select * from marts.fct_adequation
