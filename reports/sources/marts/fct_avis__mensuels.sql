select * from marts.fct_avis__mensuels
