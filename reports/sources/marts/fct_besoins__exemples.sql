select * from marts.fct_besoins__exemples
