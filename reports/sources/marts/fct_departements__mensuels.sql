select * from marts.fct_departements__mensuels
