-- A text search template and parser of one's own (superuser's work), with dictionary and configuration on them.
create text search template plain_words (init = dsimple_init, lexize = dsimple_lexize);
create text search parser words (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
create text search dictionary lower_words (template = plain_words);
create text search configuration mine (parser = words);
alter text search configuration mine add mapping for asciiword with lower_words;
create table t (id int, doc tsvector);
insert into t values (1, to_tsvector('mine', 'Deploy Jobs'));
