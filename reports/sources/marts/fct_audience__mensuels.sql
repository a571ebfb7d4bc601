select * from marts.fct_audience__mensuels
