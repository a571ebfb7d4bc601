select * from marts.fct_audience__moyens
