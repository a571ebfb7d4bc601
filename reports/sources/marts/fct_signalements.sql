select * from marts.fct_signalements
