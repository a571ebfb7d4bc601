select * from marts.fct_avis__services
