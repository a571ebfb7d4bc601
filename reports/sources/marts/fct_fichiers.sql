select * from marts.fct_fichiers
