-- A job is blamed for the death of its worker only when nothing else ran beside it.

ALTER TABLE jobs ADD COLUMN alone integer NOT NULL DEFAULT 0;  -- how often it was begun with no other job beside it
