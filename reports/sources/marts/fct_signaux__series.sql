select * from marts.fct_signaux__series
