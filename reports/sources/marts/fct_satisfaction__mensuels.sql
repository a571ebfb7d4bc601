select * from marts.fct_satisfaction__mensuels
