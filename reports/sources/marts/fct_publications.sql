select * from marts.fct_publications
