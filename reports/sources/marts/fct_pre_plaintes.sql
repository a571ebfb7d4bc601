select * from marts.fct_pre_plaintes
