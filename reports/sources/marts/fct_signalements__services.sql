select * from marts.fct_signalements__services
