-- A draw is a hash of (what the row is, what is drawn); the outer hash mixes what the inner one
-- only combines, without which two draws of one row would move together.
create macro u(key, what) as (hash(hash(key, what)) >> 11) / 9007199254740992.0;

create macro normal(key, what) as
    sqrt(-2 * ln(1 - u(key, what || '/rayon'))) * cos(2 * pi() * u(key, what || '/angle'));

-- Poisson counts, by the normal law: good enough above five.
create macro draw(mean, key) as
    greatest(0, round(mean + sqrt(mean) * normal(key, 'nombre')))::integer;

create macro pick(choices, key, what) as choices[1 + floor(u(key, what) * len(choices))::integer];

create macro paris_to_utc(moment) as timezone('UTC', timezone('Europe/Paris', moment));

create macro seeded(what, day) as hash(getvariable('seed'), what, day);
