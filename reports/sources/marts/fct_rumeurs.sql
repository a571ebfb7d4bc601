select * from marts.fct_rumeurs
