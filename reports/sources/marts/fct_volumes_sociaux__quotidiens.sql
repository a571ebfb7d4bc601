select * from marts.fct_volumes_sociaux__quotidiens
