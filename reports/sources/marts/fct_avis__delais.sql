select * from marts.fct_avis__delais
