select * from marts.fct_comptes
