-- From now on an upload says whether key nodes will hold shares under its own content id. Earlier ones did not, and most
-- are parts of a series or a token's conversation, whose keys lie elsewhere: none of them is ever cleared up.
UPDATE uploads SET shared_key = 1;
