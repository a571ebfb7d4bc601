select * from marts.fct_moyens
