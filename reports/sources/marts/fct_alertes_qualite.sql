select * from marts.fct_alertes_qualite
