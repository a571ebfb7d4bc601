select * from marts.fct_delinquance
