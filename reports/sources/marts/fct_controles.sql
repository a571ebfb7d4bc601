select * from marts.fct_controles
