select * from marts.fct_avis
