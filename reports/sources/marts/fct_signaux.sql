select * from marts.fct_signaux
