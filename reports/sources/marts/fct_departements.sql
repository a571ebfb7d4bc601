select * from marts.fct_departements
