select * from marts.fct_quarantaine
