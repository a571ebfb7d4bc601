select * from marts.fct_signalements__totaux
