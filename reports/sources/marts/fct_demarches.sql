select * from marts.fct_demarches
