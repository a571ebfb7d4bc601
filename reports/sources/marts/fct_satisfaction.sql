select * from marts.fct_satisfaction
