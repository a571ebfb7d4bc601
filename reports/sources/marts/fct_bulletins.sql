select * from marts.fct_bulletins
