-- What each source publishes answer by answer.
select * from {{ ref('int_satisfaction__unioned') }}
where source != 'jedonnemonavis'
