select * from marts.fct_signaux_preuves
